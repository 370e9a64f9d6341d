//! Reading the pages of the metrics port, with as little of HTTP as that takes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Server, until};

/// Where the pages of a server are, as its log says.
pub(crate) async fn address_of(server: &mut Server) -> String {
    let mut found = None;
    until("the log says where the pages are", async || {
        let log = server.process().log();
        let line = log.split_once("metrics on http://");
        found = line.and_then(|(_, rest)| Some(rest.split_once("/metrics")?.0.to_owned()));
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// The status and the text of a page.
pub(crate) async fn page(address: &str, path: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.to_owned())
}

/// The value of a metric with these labels, if it stands in a page.
pub(crate) fn found(page: &str, metric: &str) -> Option<f64> {
    let lines = page.lines().filter_map(|line| line.strip_prefix(metric));
    let value = lines.filter_map(|rest| rest.strip_prefix(' ')).next()?;
    Some(value.parse().unwrap())
}

/// The value of a metric with these labels, which stands in a page.
pub(crate) fn value(page: &str, metric: &str) -> f64 {
    found(page, metric).unwrap_or_else(|| panic!("no {metric} in\n{page}"))
}
