//! What can be set when frames are combined, and how names stand in SQL.

use shoots_proto::action::{CombineRequest, CombineSource};
use shoots_proto::{AsOf, AsofDirection, IndexValue, PutMode};

use crate::{ActionCall, ToFrameId};

/// A text as it stands in SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn names<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Vec<String> {
    columns.into_iter().map(Into::into).collect()
}

impl ActionCall<CombineRequest> {
    /// One more frame, in a state of it.
    pub fn source(self, frame: impl ToFrameId, state: Option<AsOf>) -> Self {
        self.try_with(|request| {
            let source = CombineSource::new(frame.to_frame_id()?, state);
            request.sources.push(source);
            Ok(())
        })
    }

    /// What to do with rows that the target has; it must not exist if it is not said.
    pub fn mode(self, mode: PutMode) -> Self {
        self.with(|request| request.mode = mode)
    }

    /// The columns that the target's rows are sorted by, if this creates or replaces it.
    pub fn index<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.with(|request| request.index = Some(names(columns)))
    }

    /// The columns that are compared, under one name in both frames; one for an as-of join.
    pub fn on<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.with(|request| request.on = names(columns))
    }

    /// A column of the first frame and the one of the second that it is compared with; call it once for each pair.
    pub fn on_pair(self, left: impl Into<String>, right: impl Into<String>) -> Self {
        self.with(|request| {
            request.left_on.push(left.into());
            request.right_on.push(right.into());
        })
    }

    /// Columns that have to be equal too, in an as-of join.
    pub fn by<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        self.with(|request| request.by = names(columns))
    }

    /// How far apart two rows of an as-of join may be: for times a text such as `5min`, for dates also a number of days,
    /// for numbers a number.
    pub fn tolerance(self, tolerance: impl Into<IndexValue>) -> Self {
        self.with(|request| request.tolerance = Some(tolerance.into()))
    }

    /// On which side of a row an as-of join looks for its partner; before it if it is not said.
    pub fn direction(self, direction: AsofDirection) -> Self {
        self.with(|request| request.direction = Some(direction))
    }

    /// Whether a row at the very same place is a partner in an as-of join; it is if it is not said.
    pub fn allow_exact_matches(self, allow: bool) -> Self {
        self.with(|request| request.allow_exact_matches = Some(allow))
    }

    /// What is appended to names that both frames have; `_x` and `_y` if it is not said.
    pub fn suffixes(self, left: impl Into<String>, right: impl Into<String>) -> Self {
        self.with(|request| request.suffixes = Some((left.into(), right.into())))
    }

    /// Lets concatenated rows come in the order of the index that the frames share.
    pub fn sorted(self) -> Self {
        self.with(|request| request.sorted = true)
    }
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_quote_in_a_name_ends_no_literal() {
        assert_eq!(literal("it's"), "'it''s'");
    }
}
