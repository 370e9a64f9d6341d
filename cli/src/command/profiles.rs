//! `profiles`: what the configuration file says, and what is wrong with it.

use crate::failure::Failure;
use crate::output::{Listing, Output};
use crate::place::{self, PlaceArgs};

/// Lists them. A profile that cannot be used is told with its fault, which stops only what uses it.
pub(super) fn profiles(place: &PlaceArgs, output: &Output) -> Result<(), Failure> {
    let profiles = place::profiles(place, crate::variable)?;
    output.list(&profiles, || {
        let mut listing = Listing::new(&["profile", "applies", "place", "problem"]);
        for profile in &profiles {
            listing.row([
                profile.name.clone(),
                if profile.applies { "yes" } else { "" }.to_owned(),
                profile.place.clone().unwrap_or_default(),
                profile.problem.clone().unwrap_or_default(),
            ]);
        }
        listing
    })
}
