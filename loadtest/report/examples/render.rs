//! Draws a comparison anew from its JSON: `cargo run -p comparison-report --example render -- comparison.json folder`.

use std::path::Path;
use std::process::ExitCode;

use comparison::Comparison;
use comparison_report::write_report;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, folder] = &arguments[..] else {
        eprintln!("usage: render comparison.json folder");
        return ExitCode::FAILURE;
    };
    let drawn = std::fs::read(file)
        .map_err(|error| error.to_string())
        .and_then(|json| serde_json::from_slice::<Comparison>(&json).map_err(|error| error.to_string()))
        .and_then(|comparison| write_report(&comparison, Path::new(folder)).map_err(|error| error.to_string()));
    match drawn {
        Ok(written) => {
            println!("{}", written.page.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}
