//! The recipes of this project. `cargo xtask ci` is what continuous integration runs, no more and no less;
//! `cargo xtask help` lists the parts it is made of, each of which can be run alone.
//!
//! Recipes are plain commands ([`recipe`]) except those that have something to prepare or decide: [`python`] keeps a
//! virtual [`environment`], [`clients`] looks for the tools of other languages, tests run with an [`s3`] of their own, and [`tidy`] checks what no compiler checks about this code base.

#![forbid(unsafe_code)]

mod clients;
mod environment;
mod package;
mod python;
mod recipe;
mod s3;
mod tidy;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match recipe::chosen(&names) {
        Ok(recipes) if recipes.is_empty() => {
            print!("{}", recipe::help());
            ExitCode::SUCCESS
        }
        Ok(recipes) => recipe::run(&recipes, &workspace::Workspace::here()),
        Err(unknown) => {
            eprintln!("there is no recipe {unknown:?}\n\n{}", recipe::help());
            ExitCode::from(2)
        }
    }
}
