//! Statements over small frames, with small limits: planned and run to their end.

use serde_json::json;

use super::text;
use crate::child::{Target, Verdict};
use crate::input::{Input, texts};
use crate::wire::Wire;

const STATEMENTS: [&str; 48] = [
    "select * from prices",
    "select symbol, avg(close) as c, count(*) from prices where size > 1000 group by symbol having count(*) > 2 order by c desc limit 3 offset 1",
    "select p.time, p.close, q.close from prices p left join quotes q on p.time = q.time and p.symbol = q.symbol",
    "select * from prices natural join quotes",
    "select count(distinct symbol), min(time), max(time), sum(size), stddev(close), median(close) from prices",
    "select time, close, lag(close, 2) over (partition by symbol order by time), row_number() over () from prices",
    "select sum(size) over (order by time range between interval '5 minutes' preceding and current row) from prices",
    "with a as (select * from nyc.numbers where n between 3 and 9), b as (select n * 2 as m from a) select * from a join b on n = m",
    "with recursive t(x) as (select 1 union all select x + 1 from t where x < 20) select * from t",
    "select * from prices where symbol in (select symbol from quotes where close > 3) and exists (select 1 from nyc.numbers)",
    "select \"Text\", upper(\"Text\"), substr(\"Text\", 3, 4), regexp_replace(\"Text\", '[0-9]+', 'x') from nyc.numbers",
    "select date_trunc('hour', time), date_bin(interval '7 minutes', time, timestamp '2020-01-01'), extract(dow from time) from prices",
    "select case when close is null then -1 when close > 5 then close else 0 end from prices order by 1 nulls first",
    "select cast(size as varchar), cast(close as int), try_cast('x' as int), '12'::bigint, arrow_typeof(symbol) from prices",
    "select array_agg(size order by time) from prices",
    "select unnest([1, 2, 3]) as u, struct(1, 'a') as s, make_array(1, null)[1], map(['a'], [1])",
    "select a.n from nyc.numbers a union select n + 100 from nyc.numbers except select 105 intersect select 3",
    "select * from (values (1, 'a'), (2, null)) as t(x, y) cross join lateral (select x * 2 as z) l",
    "select grouping(symbol), symbol, sum(size) from prices group by rollup(symbol)",
    "select * from as_of('prices', 1) where close > 2",
    "select * from as_of('prices', 'first') except select * from prices",
    "select version, operation, rows_added from history('prices')",
    "select * from segments('prices', 2)",
    "select * from resample('prices', '5min', 'mean')",
    "select * from resample('prices', '1D', {close: ['first', 'max'], size: 'sum'}, by => ['symbol'], label => 'right')",
    "select * from latest('prices', ['symbol'])",
    "select * from asof_join('prices', 'quotes', on => 'time', by => 'symbol', tolerance => '2min')",
    "show tables",
    "show columns from prices",
    "show schemas",
    "describe prices",
    "explain select * from prices where time > '2023-11-14T22:20:00'",
    "explain analyze select max(close) from prices",
    "select table_name, column_name, data_type from information_schema.columns order by 1, 2",
    "select repeat('x', 100), lpad('a', 50, 'bc'), generate_series(1, 10), range(0, 100, 3)",
    "select * from generate_series(1, 100, 7)",
    "select sha256('x'), md5('y'), encode('abc', 'hex'), decode('QUJD', 'base64')",
    "select interval '1 year 2 months' + timestamp '2024-02-29 12:00:00', to_timestamp(1e9), now() > timestamp '2000-01-01'",
    "select power(2, 62), 9223372036854775807, 1 / 3.0, 5 % 2, -5 / 2, abs(-1), round(2.5), log(10, 100), factorial(5)",
    "select 1 where 'a' like 'A%' or 'a' ilike 'A%' or 'a' similar to '(a|b)*' or 'a' ~ '^[a-z]$'",
    "select symbol, first_value(close order by time), last_value(close), nth_value(close, 2) from prices group by symbol",
    "select approx_percentile_cont(0.5) within group (order by close), approx_distinct(symbol), corr(close, size) from prices",
    "select string_agg(symbol, ','), bit_and(size), bool_or(close > 3), var_pop(close) from prices",
    "select n, ntile(4) over (order by n), percent_rank() over (order by n), cume_dist() over (order by n) from nyc.numbers",
    "select * from prices order by close desc nulls last, time limit 5",
    "select distinct on (symbol) symbol, close from prices order by symbol, time desc",
    "select (select max(n) from nyc.numbers where n < p.size) from prices p",
    "select decimal '1.23' * 4.5, x'ff', date '2024-01-31' + 1, time '12:00:00', arrow_cast(1, 'Decimal256(40, 3)'), uuid() is null",
];

pub(super) struct Sql(Wire);

impl Target for Sql {
    const NAME: &'static str = "sql";

    async fn begin() -> Self {
        Self(Wire::new().await)
    }

    async fn seeds(&mut self) -> Vec<Input> {
        STATEMENTS.map(|statement| texts([statement])).to_vec()
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        self.0.refresh().await;
        let sql = text(input, 0);
        let ticket = json!({"name": "prices", "sql": sql});
        self.0.get(ticket.to_string().into_bytes()).await
    }
}
