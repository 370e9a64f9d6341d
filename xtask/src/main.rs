//! The recipes of this project. `cargo xtask ci` is what continuous integration runs, no more and no less;
//! `cargo xtask help` lists the parts it is made of, each of which can be run alone.
//!
//! Recipes are plain commands ([`recipe`]) except two that have something to decide: [`python`] keeps a virtual
//! environment, and [`tidy`] checks what no compiler checks about this code base.

mod python;
mod recipe;
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
