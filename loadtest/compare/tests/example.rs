//! The made-up comparison, from records to files.

#![cfg(feature = "testing")]

use comparison::Comparison;
use comparison::comparison::{Metric, Winner};

#[test]
fn the_example_is_a_whole_comparison() {
    let example = Comparison::example();
    println!("{:#?}", example.rows());
    println!("{:#?}", example.notes);
    println!("{:#?}", example.peaks);
    println!("{:#?}", example.optimum);
    assert_eq!(example, Comparison::example(), "the same each time");
    let row = |metric| example.rows().iter().find(|row| row.metric == metric).unwrap();
    assert_eq!(row(Metric::FailedRequests).winner, Winner::Viperscale);
}
