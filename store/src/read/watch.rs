//! Who reads may be told what it costs, while it is read.

/// Is told what a read fetches and decodes, by whichever task does it. Calls come often: they should only count.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Debug, Default)]
/// struct Cost {
///     bytes: AtomicU64,
///     pages: AtomicU64,
/// }
///
/// impl shoots_store::ReadWatch for Cost {
///     fn fetched(&self, bytes: u64) {
///         self.bytes.fetch_add(bytes, Ordering::Relaxed);
///     }
///
///     fn decoding(&self, pages: u64) {
///         self.pages.fetch_add(pages, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait ReadWatch: std::fmt::Debug + Send + Sync {
    /// So many bytes of segments were fetched: pages and footers.
    fn fetched(&self, bytes: u64);

    /// So many pages of segments are going to be decoded.
    fn decoding(&self, pages: u64);
}
