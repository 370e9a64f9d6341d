//! Requests at their bounds: too large, too slow, too many at once.

use std::collections::VecDeque;
use std::future::poll_fn;

use shoots_proto::ErrorBody;
use tonic::metadata::MetadataMap;

use super::*;

/// A body of these pieces, after which nothing comes.
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.0.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => Poll::Pending,
        }
    }
}

fn message(bytes: usize) -> Vec<u8> {
    let mut message = vec![0];
    message.extend(u32::try_from(bytes).unwrap().to_be_bytes());
    message.resize(5 + bytes, 7);
    message
}

fn limits(config: &Config) -> ReceivingLimits {
    ReceivingLimits::new(config, &MessageMemory::new(config), &Metrics::default())
}

fn receiving(call: &'static str, limits: &ReceivingLimits, pieces: Vec<Vec<u8>>) -> Receiving {
    let pieces = Pieces(pieces.into_iter().map(Bytes::from).collect());
    let record = Record::detached(call, &MetadataMap::new());
    Receiving::new(TonicBody::new(pieces), limits, &record)
}

async fn poll_once(receiving: &mut Receiving) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *receiving).poll_frame(cx))).await
}

async fn next(receiving: &mut Receiving) -> Result<usize, String> {
    let frame = poll_fn(|cx| Pin::new(&mut *receiving).poll_frame(cx)).await;
    match frame.unwrap() {
        Ok(frame) => Ok(frame.into_data().unwrap().len()),
        Err(status) => {
            let told = ErrorBody::from_json(status.details()).unwrap();
            assert_eq!(told.kind, ErrorKind::LimitError);
            Err(told.message)
        }
    }
}

#[tokio::test]
async fn a_message_is_measured_by_what_it_announces_however_it_is_cut() {
    let limits = limits(&Config {
        max_message_bytes: 100,
        ..Config::default()
    });
    let both: Vec<u8> = [message(100), message(101)].concat();
    for piece in [1, 4, 5, 6, 99, 1000] {
        let pieces = both.chunks(piece).map(<[u8]>::to_vec).collect();
        let mut receiving = receiving("DoPut", &limits, pieces);
        let mut passed = 0;
        let problem = loop {
            match next(&mut receiving).await {
                Ok(bytes) => passed += bytes,
                Err(problem) => break problem,
            }
        };
        assert!(problem.contains("max_message_bytes is 100"), "{problem}");
        assert!(problem.contains("101 bytes"), "{problem}");
        assert!(passed < 110, "{passed} bytes passed in pieces of {piece}");
        let end = poll_fn(|cx| Pin::new(&mut receiving).poll_frame(cx)).await;
        assert!(end.is_none());
    }
}

#[tokio::test]
async fn only_a_put_is_bounded_as_a_whole() {
    let limits = limits(&Config {
        max_put_bytes: 250,
        ..Config::default()
    });
    let pieces = || vec![message(100), message(100), message(100)];
    let mut put = receiving("DoPut", &limits, pieces());
    assert_eq!(next(&mut put).await, Ok(105));
    assert_eq!(next(&mut put).await, Ok(105));
    let problem = next(&mut put).await.unwrap_err();
    assert!(problem.contains("max_put_bytes is 250"), "{problem}");
    let mut action = receiving("DoAction", &limits, pieces());
    for _ in 0..3 {
        assert_eq!(next(&mut action).await, Ok(105));
    }
}

#[tokio::test]
async fn who_brings_nothing_is_told_after_a_while_which_begins_with_the_wait() {
    let mut limits = limits(&Config::default());
    limits.put_idle = Duration::from_millis(50);
    limits.header = Duration::from_millis(50);
    for (call, setting) in [
        ("DoPut", "put_idle_seconds is"),
        ("DoGet", "header_seconds is"),
    ] {
        let mut receiving = receiving(call, &limits, vec![message(1)]);
        next(&mut receiving).await.unwrap();
        // What the server does meanwhile is not the caller's fault.
        sleep(Duration::from_millis(100)).await;
        assert!(poll_once(&mut receiving).await.is_pending());
        let problem = next(&mut receiving).await.unwrap_err();
        assert!(problem.contains(setting), "{problem}");
    }
}

#[tokio::test]
async fn large_messages_share_memory_and_each_waits_for_its_whole_length() {
    const LARGE: usize = 3 << 20;
    let mut limits = limits(&Config {
        receive_memory_bytes: 4 << 20,
        ..Config::default()
    });
    let mut first = receiving("DoPut", &limits, vec![message(LARGE), message(1)]);
    let mut second = receiving("DoPut", &limits, vec![message(LARGE)]);
    let mut small = receiving("DoPut", &limits, vec![message(1 << 20)]);
    assert_eq!(next(&mut first).await, Ok(LARGE + 5));
    assert_eq!(next(&mut small).await, Ok((1 << 20) + 5));
    let waiting = poll_once(&mut second).await;
    assert!(waiting.is_pending(), "there is no memory for a second one");
    // The next message of the first put shows that its large one is done with.
    assert_eq!(next(&mut first).await, Ok(6));
    assert_eq!(next(&mut second).await, Ok(LARGE + 5));
    limits.put_idle = Duration::from_millis(50);
    let mut third = receiving("DoPut", &limits, vec![message(LARGE)]);
    let problem = next(&mut third).await.unwrap_err();
    assert!(problem.contains("receive_memory_bytes is"), "{problem}");
    drop(second);
    // One that is larger than all there is gets all there is.
    let mut huge = receiving("DoPut", &limits, vec![message(5 << 20)]);
    assert_eq!(next(&mut huge).await, Ok((5 << 20) + 5));
}
