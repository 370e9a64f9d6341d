//! Load that checks what it gets: idle connections, and busy clients that put, get and ask.
//!
//! Each busy client has a frame of its own and knows what must be in it, so every answer is compared. What a limit of the
//! server explains is counted and tried again; anything else that goes wrong ends the run.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use futures::future::try_join_all;
use shoots_client::{Error, ErrorKind, PutMode, ShootsClient};

/// Appends after which a frame is begun anew, so that it stays small however long the run is.
const APPENDS: i64 = 40;
/// How long a client waits that was told of a limit.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a step is tried that meets a limit.
const ATTEMPTS: usize = 200;
/// Idle connections that are opened at the same time.
const OPENING: usize = 50;

/// How much load, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Where the server is.
    pub(crate) url: String,
    /// Connections that are open and carry nothing.
    pub(crate) idle: usize,
    /// Clients that work without a break.
    pub(crate) busy: usize,
    /// Rows of each put.
    pub(crate) rows: i64,
    /// How long.
    pub(crate) time: Duration,
}

/// What was done.
#[derive(Debug, Default, Clone)]
pub(crate) struct Figures {
    pub(crate) puts: u64,
    pub(crate) gets: u64,
    pub(crate) queries: u64,
    pub(crate) rows_put: u64,
    pub(crate) rows_got: u64,
    /// Steps that met a limit, and were tried again.
    pub(crate) limited: u64,
    /// Idle connections that still answered at the end.
    pub(crate) idle: u64,
    /// Milliseconds that each step took.
    pub(crate) took: Vec<f64>,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.puts += other.puts;
        self.gets += other.gets;
        self.queries += other.queries;
        self.rows_put += other.rows_put;
        self.rows_got += other.rows_got;
        self.limited += other.limited;
        self.took.extend(other.took);
    }

    /// All steps.
    pub(crate) fn steps(&self) -> u64 {
        self.puts + self.gets + self.queries
    }

    /// The time below which this part of the steps stayed, in milliseconds.
    pub(crate) fn quantile(&mut self, part: f64) -> f64 {
        self.took.sort_by(f64::total_cmp);
        let last = self.took.len().saturating_sub(1);
        let place = (last as f64 * part) as usize;
        self.took.get(place).copied().unwrap_or(0.0)
    }
}

/// What went wrong.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// Runs the load to its end.
pub(crate) async fn run(load: &Load) -> Result<Figures, Problem> {
    let mut idle = Vec::new();
    while idle.len() < load.idle {
        let more = OPENING.min(load.idle - idle.len());
        let opening = (0..more).map(|_| opened(&load.url));
        idle.extend(try_join_all(opening).await?);
    }
    let deadline = Instant::now() + load.time;
    let working = (0..load.busy).map(|number| work(load, number, deadline));
    let mut all = Figures::default();
    for worked in try_join_all(working).await? {
        all.add(worked);
    }
    for client in &idle {
        client.ping().await?;
        all.idle += 1;
    }
    Ok(all)
}

async fn opened(url: &str) -> Result<ShootsClient, Problem> {
    let client = ShootsClient::builder(url).retries(0).connect().await?;
    patiently(async || client.ping().await).await?;
    Ok(client)
}

/// One busy client.
async fn work(load: &Load, number: usize, deadline: Instant) -> Result<Figures, Problem> {
    let client = opened(&load.url).await?;
    let mut worker = Worker {
        frame: format!("load/worker {number}"),
        client,
        rows: load.rows,
        from: 0,
        to: 0,
        figures: Figures::default(),
    };
    let mut step = 0;
    while Instant::now() < deadline {
        let began = Instant::now();
        worker.step(step).await?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        worker.figures.took.push(took);
        step += 1;
    }
    Ok(worker.figures)
}

struct Worker {
    client: ShootsClient,
    frame: String,
    rows: i64,
    /// The numbers that the frame holds.
    from: i64,
    to: i64,
    figures: Figures,
}

impl Worker {
    async fn step(&mut self, step: u64) -> Result<(), Problem> {
        match step % 4 {
            0 => self.put().await,
            1 => self.get_last().await,
            2 => self.ask().await,
            _ => self.get_all().await,
        }
    }

    async fn put(&mut self) -> Result<(), Problem> {
        let anew = self.to - self.from >= APPENDS * self.rows || self.to == 0;
        let mode = if anew {
            PutMode::Replace
        } else {
            PutMode::Append
        };
        let numbers = self.to..self.to + self.rows;
        let put = async || {
            let put = self.client.put(self.frame.as_str()).mode(mode);
            put.send_batch(batch(numbers.clone())?).await
        };
        let (done, limited) = patiently(put).await?;
        expect("rows of a put", done.rows as i64, self.rows)?;
        if anew {
            self.from = self.to;
        }
        self.to += self.rows;
        self.figures.puts += 1;
        self.figures.rows_put += done.rows;
        self.figures.limited += limited;
        Ok(())
    }

    async fn get_last(&mut self) -> Result<(), Problem> {
        let get = async || {
            let get = self.client.get(self.frame.as_str());
            get.tail(self.rows as u64).collect_one().await
        };
        let (got, limited) = patiently(get).await?;
        self.figures.limited += limited;
        self.check(&got, self.to - self.rows)
    }

    async fn get_all(&mut self) -> Result<(), Problem> {
        let get = async || self.client.get(self.frame.as_str()).collect_one().await;
        let (got, limited) = patiently(get).await?;
        self.figures.limited += limited;
        self.check(&got, self.from)
    }

    /// Compares rows, which begin at a number and go to the end.
    fn check(&mut self, got: &RecordBatch, from: i64) -> Result<(), Problem> {
        let same = *got == batch(from..self.to)?;
        expect("rows that are as they were put", i64::from(same), 1)?;
        self.figures.gets += 1;
        self.figures.rows_got += got.num_rows() as u64;
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), Problem> {
        let name = &self.frame["load/".len()..];
        let sql = format!(
            "select count(*) as rows, sum(n) as numbers, sum(twice) as doubles from \"{name}\" where n >= {}",
            self.from
        );
        let ask = async || {
            let ask = self.client.sql(self.frame.as_str(), sql.as_str());
            ask.collect_one().await
        };
        let (answer, limited) = patiently(ask).await?;
        let sum: i64 = (self.from..self.to).sum();
        for (column, expected) in [(0, self.to - self.from), (1, sum), (2, 2 * sum)] {
            let found = answer.column(column).as_primitive_opt::<Int64Type>();
            let found = found.and_then(|found| found.values().first().copied());
            expect("answer of a query", found.unwrap_or(i64::MIN), expected)?;
        }
        self.figures.queries += 1;
        self.figures.limited += limited;
        Ok(())
    }
}

/// Does a step again for as long as a limit explains that it failed, and says how often that was.
async fn patiently<T>(step: impl AsyncFn() -> Result<T, Error>) -> Result<(T, u64), Problem> {
    for limited in 0..ATTEMPTS {
        match step().await {
            Err(error) if error.kind() == ErrorKind::LimitError => {
                tokio::time::sleep(PAUSE).await;
            }
            done => return Ok((done?, limited as u64)),
        }
    }
    Err(Problem(format!(
        "a limit was met {ATTEMPTS} times in a row"
    )))
}

fn batch(numbers: std::ops::Range<i64>) -> Result<RecordBatch, Error> {
    let doubles = numbers.clone().map(|n| 2 * n);
    let columns: [(&str, ArrayRef); 2] = [
        ("n", Arc::new(Int64Array::from_iter_values(numbers))),
        ("twice", Arc::new(Int64Array::from_iter_values(doubles))),
    ];
    let batch = RecordBatch::try_from_iter(columns);
    batch.map_err(|error| Error::from(shoots_flight::Error::Batch(error)))
}

fn expect(what: &str, found: i64, expected: i64) -> Result<(), Problem> {
    if found == expected {
        return Ok(());
    }
    Err(Problem(format!("{what}: {found} instead of {expected}")))
}
