//! What the help of a command shows of its use. Each line is read as a command by a test.

/// Of `put`.
pub(super) const PUT: &str = "\
Examples:
  shoots put weather.csv --null NA --index time_hour,origin
  shoots put new.csv.gz --name weather --mode append
  shoots put corrected.parquet --name nyc/weather --mode upsert -m 'a better reading'";

/// Of `get`.
pub(super) const GET: &str = "\
Examples:
  shoots get weather --start 2013-02-01 --stop 2013-03-01 --columns time_hour,temp
  shoots get weather --as-of 'end of day' -o weather.parquet";

/// Of `sql`.
pub(super) const SQL: &str = "\
Examples:
  shoots sql 'select origin, avg(temp) from weather group by origin'
  shoots sql 'select count(*) from nyc.flights where origin = $1' -p JFK --json";

/// Of `resample`.
pub(super) const RESAMPLE: &str = "\
Examples:
  shoots resample weather --rule ME --func temp=mean,wind_speed=max
  shoots resample trades bars --rule 5min --func ohlc --mode replace --continuous";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn every_example_is_a_command() {
        for line in [PUT, GET, SQL, RESAMPLE].into_iter().flat_map(str::lines) {
            let Some(example) = line.strip_prefix("  ") else {
                assert_eq!(line, "Examples:");
                continue;
            };
            // What stands in quotes is one argument.
            let parts = example.split('\'').enumerate();
            let words = parts.flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
            let parsed = crate::Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{example}: {parsed:?}");
        }
    }
}
