//! Draws a comparison anew from its JSON, or a made-up one:
//! `cargo run -p comparison-report --example render -- FOLDER [comparison.json]`.

use std::path::Path;
use std::process::ExitCode;

use comparison::Comparison;
use comparison_report::write_report;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, comparison) = match &arguments[..] {
        [folder] => (folder, Ok(Comparison::example())),
        [folder, file] => (
            folder,
            Comparison::read(Path::new(file)).map_err(|error| error.to_string()),
        ),
        _ => {
            eprintln!("usage: render FOLDER [comparison.json]");
            return ExitCode::FAILURE;
        }
    };
    match comparison.and_then(|comparison| {
        write_report(&comparison, Path::new(folder)).map_err(|error| error.to_string())
    }) {
        Ok(written) => {
            println!("{}", written.page.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
