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

/// The first bytes of a message that announces so many.
fn beginning(announced: usize, bytes: usize) -> Vec<u8> {
    let mut beginning = message(bytes);
    beginning[1..5].copy_from_slice(&u32::try_from(announced).unwrap().to_be_bytes());
    beginning
}

#[tokio::test]
async fn large_messages_share_memory_and_one_may_go_beyond() {
    const LARGE: usize = 3 << 20;
    let mut limits = limits(&Config {
        receive_memory_bytes: 4 << 20,
        ..Config::default()
    });
    let mut first = receiving("DoPut", &limits, vec![message(LARGE), message(1)]);
    let mut beyond = receiving("DoPut", &limits, vec![message(LARGE), message(1)]);
    let mut third = receiving("DoPut", &limits, vec![message(LARGE)]);
    let mut small = receiving("DoPut", &limits, vec![message(1 << 20)]);
    assert_eq!(next(&mut first).await, Ok(LARGE + 5));
    assert_eq!(next(&mut small).await, Ok((1 << 20) + 5));
    assert_eq!(next(&mut beyond).await, Ok(LARGE + 5));
    let waiting = poll_once(&mut third).await;
    assert!(waiting.is_pending(), "there is no memory for a third one");
    // The next message of the second put shows that its large one is done with.
    assert_eq!(next(&mut beyond).await, Ok(6));
    assert_eq!(next(&mut third).await, Ok(LARGE + 5));
    limits.put_idle = Duration::from_millis(50);
    let mut fourth = receiving("DoPut", &limits, vec![message(LARGE)]);
    let problem = next(&mut fourth).await.unwrap_err();
    assert!(problem.contains("receive_memory_bytes is"), "{problem}");
    drop(third);
    // One that is larger than all there is comes through, too.
    let mut huge = receiving("DoPut", &limits, vec![message(9 << 20)]);
    assert_eq!(next(&mut huge).await, Ok((9 << 20) + 5));
}

#[tokio::test]
async fn a_message_takes_memory_as_it_arrives_and_none_for_what_it_announces() {
    const MIB: usize = 1 << 20;
    let limits = limits(&Config {
        receive_memory_bytes: 8 << 20,
        ..Config::default()
    });
    // More of them than could go beyond what there is.
    let announcing: Vec<_> = (0..3)
        .map(|_| {
            receiving(
                "DoPut",
                &limits,
                vec![beginning(1 << 30, MIB), vec![7; MIB]],
            )
        })
        .collect();
    let mut held = Vec::new();
    for mut message in announcing {
        assert_eq!(next(&mut message).await, Ok(MIB + 5));
        assert_eq!(next(&mut message).await, Ok(MIB));
        held.push(message);
    }
    assert_eq!(limits.memory.free_bytes(), 2 * MIB as u64);
    let mut other = receiving("DoPut", &limits, vec![message(2 * MIB)]);
    assert_eq!(next(&mut other).await, Ok(2 * MIB + 5));
    drop(held);
    drop(other);
    assert_eq!(limits.memory.free_bytes(), 8 * MIB as u64);
}

#[tokio::test]
async fn messages_that_each_hold_a_part_of_the_memory_all_come_through() {
    const MIB: usize = 1 << 20;
    let limits = limits(&Config {
        receive_memory_bytes: 4 << 20,
        ..Config::default()
    });
    let puts: Vec<_> = (0..4)
        .map(|_| {
            let pieces = vec![beginning(3 * MIB, MIB), vec![7; MIB], vec![7; MIB]];
            receiving("DoPut", &limits, pieces)
        })
        .collect();
    // Each holds a quarter, and wants three.
    let mut begun = Vec::new();
    for mut put in puts {
        next(&mut put).await.unwrap();
        begun.push(put);
    }
    let ended = begun.into_iter().map(async |mut put| {
        assert_eq!(next(&mut put).await, Ok(MIB));
        assert_eq!(next(&mut put).await, Ok(MIB));
    });
    futures::future::join_all(ended).await;
}

#[tokio::test]
async fn only_a_put_may_announce_a_large_message() {
    let limits = limits(&Config::default());
    let large = || vec![beginning(9 << 20, 1)];
    let mut put = receiving("DoPut", &limits, large());
    assert_eq!(next(&mut put).await, Ok(6));
    for call in ["DoGet", "DoAction", "Handshake", "other"] {
        let mut receiving = receiving(call, &limits, large());
        let frame = poll_fn(|cx| Pin::new(&mut receiving).poll_frame(cx)).await;
        let status = frame.unwrap().unwrap_err();
        let told = ErrorBody::from_json(status.details()).unwrap();
        assert_eq!(told.kind, ErrorKind::InvalidRequestError);
        assert!(told.message.contains("9437184 bytes"), "{}", told.message);
    }
}

/// A body that brings the same piece over and over, with pauses.
struct Dripping(Vec<u8>, Pin<Box<Sleep>>);

impl Body for Dripping {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        ready!(self.1.as_mut().poll(cx));
        self.1 = Box::pin(sleep(Duration::from_millis(5)));
        Poll::Ready(Some(Ok(Frame::data(self.0.clone().into()))))
    }
}

#[tokio::test]
async fn bytes_that_get_a_request_no_further_do_not_prolong_it() {
    let mut limits = limits(&Config::default());
    limits.put_idle = Duration::from_millis(100);
    limits.header = Duration::from_millis(100);
    // Of a message that will never be whole; empty messages; messages of a request that has had its own.
    for (call, piece) in [
        ("DoPut", vec![0]),
        ("DoPut", message(0)),
        ("DoGet", message(1)),
    ] {
        let body = Dripping(piece.clone(), Box::pin(sleep(Duration::ZERO)));
        let record = Record::detached(call, &MetadataMap::new());
        let mut receiving = Receiving::new(TonicBody::new(body), &limits, &record);
        if piece.len() == 1 {
            receiving.framing.length = 1 << 20;
            receiving.framing.rest = 1 << 20;
        }
        let problem = loop {
            if let Err(problem) = next(&mut receiving).await {
                break problem;
            }
        };
        assert!(problem.contains("_seconds is"), "{problem}");
    }
    // Messages of a put do.
    let body = Dripping(message(1), Box::pin(sleep(Duration::ZERO)));
    let record = Record::detached("DoPut", &MetadataMap::new());
    let mut put = Receiving::new(TonicBody::new(body), &limits, &record);
    for _ in 0..100 {
        assert_eq!(next(&mut put).await, Ok(6));
    }
}
