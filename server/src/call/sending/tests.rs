//! Readers that take nothing, come back, or are slow, and calls that are out of time, without a connection.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};

use shoots_proto::ErrorBody;
use tokio::time::sleep;
use tonic::metadata::MetadataMap;

use super::*;
use crate::call::ending::NamedCalls;

/// So short that a test can wait for it.
const SHORT: Duration = Duration::from_millis(50);

/// A body that brings messages of one length for ever, or waits for ever, and tells when it is dropped.
struct Fake {
    message: Option<usize>,
    dropped: Arc<AtomicBool>,
}

impl Body for Fake {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.message {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(vec![7; bytes].into())))),
            None => Poll::Pending,
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

/// What sends a [`Fake`], and whether that was dropped.
struct Call {
    sending: Sending,
    dropped: Arc<AtomicBool>,
}

impl Call {
    /// Within [`delivered`], since answers are watched from when they are made.
    fn new(message: Option<usize>, timeout: Option<&str>, read_idle: Duration) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(timeout) = timeout {
            headers.insert("grpc-timeout", timeout.parse().unwrap());
        }
        let ending = Ending::of(&headers, &NamedCalls::default()).unwrap();
        Self::ended_by(ending, message, read_idle)
    }

    fn ended_by(ending: Ending, message: Option<usize>, read_idle: Duration) -> Self {
        let dropped = Arc::default();
        let body = Fake {
            message,
            dropped: Arc::clone(&dropped),
        };
        let patience = (ending, read_idle);
        let record = Record::detached("DoGet", &MetadataMap::new());
        let attendance = Attendance::begin(&record);
        let sending = Sending::new(TonicBody::new(body), &record, patience, attendance, None);
        Self { sending, dropped }
    }

    fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Bytes of the next piece, or what the reader is told at the end.
    async fn next(&mut self) -> Result<usize, ErrorBody> {
        let frame = poll_fn(|cx| Pin::new(&mut self.sending).poll_frame(cx)).await;
        let frame = frame.expect("the end is told").unwrap();
        frame.into_data().map(|data| data.len()).map_err(|frame| {
            let status = Status::from_header_map(frame.trailers_ref().unwrap()).unwrap();
            ErrorBody::from_json(status.details()).unwrap()
        })
    }
}

#[tokio::test]
async fn who_takes_nothing_for_too_long_stops_the_work_and_is_given_up_at_last() {
    let dropped = Arc::new(Mutex::new(None));
    let told = Arc::clone(&dropped);
    let given_up = delivered(async move {
        let mut call = Call::new(Some(10), None, SHORT);
        assert_eq!(call.next().await, Ok(10));
        *told.lock().unwrap() = Some(Arc::clone(&call.dropped));
        pending().await
    });
    assert!(given_up.await);
    let dropped = dropped.lock().unwrap().take().unwrap();
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn who_comes_back_gets_the_rest_of_a_message_and_hears_why_it_is_the_last() {
    let message = 2 * PIECE_BYTES + 3;
    let given_up = delivered(async {
        let mut call = Call::new(Some(message), None, SHORT);
        assert_eq!(call.next().await, Ok(PIECE_BYTES));
        // By polling, since the second wait begins with the end of the first.
        while !call.is_dropped() {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(call.next().await, Ok(PIECE_BYTES));
        assert_eq!(call.next().await, Ok(3));
        assert!(!call.sending.is_end_stream());
        let told = call.next().await.unwrap_err();
        assert_eq!(told.kind, ErrorKind::LimitError);
        assert!(told.message.contains("read_idle_seconds is"), "{told}");
        assert!(call.sending.is_end_stream());
    });
    assert!(!given_up.await);
}

#[tokio::test]
async fn who_is_slow_but_takes_something_gets_everything() {
    let read_idle = Duration::from_secs(2);
    let given_up = delivered(async {
        let mut call = Call::new(Some(5 * PIECE_BYTES), None, read_idle);
        for _ in 0..5 {
            assert_eq!(call.next().await, Ok(PIECE_BYTES));
            sleep(read_idle / 4).await;
        }
        assert!(!call.is_dropped());
    });
    assert!(!given_up.await);
}

#[tokio::test]
async fn the_time_that_the_work_takes_is_not_the_readers() {
    let given_up = delivered(async {
        let mut call = Call::new(None, None, SHORT);
        let nothing = tokio::time::timeout(4 * SHORT, call.next()).await;
        assert!(nothing.is_err());
        assert!(!call.is_dropped());
    });
    assert!(!given_up.await);
}

#[tokio::test]
async fn work_that_is_out_of_time_ends_whether_it_waits_or_its_reader_does() {
    let far = Duration::from_secs(3600);
    for message in [None, Some(10)] {
        let given_up = delivered(async {
            let mut call = Call::new(message, Some("50m"), far);
            while let Some(bytes) = message
                && !call.is_dropped()
            {
                assert_eq!(call.next().await, Ok(bytes));
                sleep(Duration::from_millis(1)).await;
            }
            let told = call.next().await.unwrap_err();
            assert_eq!(told.kind, ErrorKind::CallTimeoutError, "{told}");
            assert!(call.is_dropped());
        });
        assert!(!given_up.await);
    }
}

#[tokio::test]
async fn work_that_is_cancelled_by_its_name_ends_while_it_has_nothing_to_say() {
    let calls = NamedCalls::default();
    let name = "9f86d081884c7d659a2feaa0c55ad015";
    let header = ("x-shoots-call-name", name);
    let headers = HeaderMap::from_iter([(header.0.parse().unwrap(), header.1.parse().unwrap())]);
    let given_up = delivered(async {
        let ending = Ending::of(&headers, &calls).unwrap();
        let mut call = Call::ended_by(ending, None, Duration::from_secs(3600));
        assert!(calls.cancel(&name.parse().unwrap()));
        let told = loop {
            // Polled anew, since nothing wakes a reader of a body that is not on a connection.
            if call.is_dropped() {
                break call.next().await.unwrap_err();
            }
            sleep(Duration::from_millis(1)).await;
        };
        assert_eq!(told.kind, ErrorKind::CancelledError, "{told}");
    });
    assert!(!given_up.await);
}
