//! Reads the names of types, one part after the other.
//!
//! A name is a word, and for some words arguments in brackets after it. All brackets are alike, as long as each is
//! closed by its own kind, and so `timestamp[us]` of pyarrow and `Timestamp(us)` of Rust's Arrow, `list<int64>` and
//! Polars' `List(Int64)` are read by the same few lines. What is wrong is said in words that end a sentence which
//! names the whole text already.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, IntervalUnit, TimeUnit};

/// How deep types may be nested in a name; a little more than what can be stored.
const MAX_DEPTH: usize = 40;

/// How much of a text is repeated where something else was expected, in characters.
const MAX_REPEATED: usize = 20;

/// What was read, or what was wrong.
type Read<T> = std::result::Result<T, String>;

/// The part of a name that is still to be read.
pub(super) struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// The type that the whole `text` names.
    pub(super) fn read(text: &'a str) -> Read<DataType> {
        let text = text.trim();
        let mut reader = Self {
            // So pandas marks the types that it leaves to pyarrow.
            rest: text.strip_suffix("[pyarrow]").unwrap_or(text),
            depth: 0,
        };
        let data_type = reader.data_type()?;
        if reader.peek().is_some() {
            return Err(reader.unexpected("nothing more"));
        }
        Ok(data_type)
    }

    fn data_type(&mut self) -> Read<DataType> {
        if self.depth == MAX_DEPTH {
            return Err(format!("types are nested more than {MAX_DEPTH} deep"));
        }
        self.depth += 1;
        let data_type = self.data_type_within()?;
        self.depth -= 1;
        Ok(data_type)
    }

    fn data_type_within(&mut self) -> Read<DataType> {
        let written = self.word();
        let word = written.replace('_', "").to_ascii_lowercase();
        match word.as_str() {
            "timestamp" | "datetime" | "datetime64" => self.timestamp(),
            "time32" => Ok(DataType::Time32(self.only_unit()?)),
            "time64" => Ok(DataType::Time64(self.only_unit()?)),
            "duration" | "timedelta" | "timedelta64" => Ok(DataType::Duration(self.only_unit()?)),
            "date32" => self.date(DataType::Date32, "day"),
            "date64" => self.date(DataType::Date64, "ms"),
            "fixedsizebinary" => self.fixed_size_binary(),
            "binary" if self.at_bracket() => self.fixed_size_binary(),
            "decimal32" => self.decimal(DataType::Decimal32),
            "decimal64" => self.decimal(DataType::Decimal64),
            "decimal" | "decimal128" => self.decimal(DataType::Decimal128),
            "decimal256" => self.decimal(DataType::Decimal256),
            "dictionary" => self.within(Self::dictionary),
            "list" => Ok(DataType::List(self.within(Self::item)?)),
            "largelist" => Ok(DataType::LargeList(self.within(Self::item)?)),
            "listview" => Ok(DataType::ListView(self.within(Self::item)?)),
            "largelistview" => Ok(DataType::LargeListView(self.within(Self::item)?)),
            "fixedsizelist" => {
                let item = self.within(Self::item)?;
                Ok(DataType::FixedSizeList(item, self.within(Self::number)?))
            }
            "array" => self.within(Self::array),
            "struct" => Ok(DataType::Struct(self.within(Self::fields)?)),
            "map" => self.within(Self::map),
            "" => Err(self.unexpected("a type")),
            word => simple(word, written),
        }
    }

    fn timestamp(&mut self) -> Read<DataType> {
        self.needs_unit()?;
        self.within(|reader| {
            let unit = reader.unit()?;
            let zone = if reader.eat(',') {
                reader.zone()?
            } else {
                None
            };
            Ok(DataType::Timestamp(unit, zone))
        })
    }

    fn zone(&mut self) -> Read<Option<Arc<str>>> {
        self.optional_key(&["tz", "time_zone"])?;
        match self.value()? {
            ("None", Quoted(false)) => Ok(None),
            ("", _) => Err("its time zone is empty".to_owned()),
            (zone, _) => Ok(Some(zone.into())),
        }
    }

    fn only_unit(&mut self) -> Read<TimeUnit> {
        self.needs_unit()?;
        self.within(Self::unit)
    }

    fn needs_unit(&mut self) -> Read<()> {
        if self.at_bracket() {
            Ok(())
        } else {
            Err("it needs a unit, s, ms, us or ns, in brackets after it".to_owned())
        }
    }

    fn unit(&mut self) -> Read<TimeUnit> {
        self.optional_key(&["unit", "time_unit"])?;
        let (unit, _) = self.value()?;
        match unit.to_lowercase().as_str() {
            "s" | "second" => Ok(TimeUnit::Second),
            "ms" | "millisecond" => Ok(TimeUnit::Millisecond),
            // Micro is written with its own sign or with the Greek letter.
            "us" | "\u{3bc}s" | "\u{b5}s" | "microsecond" => Ok(TimeUnit::Microsecond),
            "ns" | "nanosecond" => Ok(TimeUnit::Nanosecond),
            _ => Err(format!(
                "`{}` is not a unit, which are s, ms, us and ns",
                shortened(unit)
            )),
        }
    }

    /// A date, which may repeat the unit that it has anyway.
    fn date(&mut self, data_type: DataType, unit: &str) -> Read<DataType> {
        if self.at_bracket() {
            let (written, _) = self.within(Self::value)?;
            if !written.eq_ignore_ascii_case(unit) {
                return Err(format!("its unit can only be {unit}"));
            }
        }
        Ok(data_type)
    }

    fn fixed_size_binary(&mut self) -> Read<DataType> {
        Ok(DataType::FixedSizeBinary(self.within(Self::number)?))
    }

    fn decimal(&mut self, make: fn(u8, i8) -> DataType) -> Read<DataType> {
        if !self.at_bracket() {
            return Err("it needs its digits and its scale, as in decimal128(10, 2)".to_owned());
        }
        self.within(|reader| {
            reader.optional_key(&["precision"])?;
            let digits = reader.number()?;
            let scale = if reader.eat(',') {
                reader.optional_key(&["scale"])?;
                reader.number()?
            } else {
                0
            };
            Ok(make(digits, scale))
        })
    }

    /// Values and indices with their names, or, as in a call, the indices and then the values.
    fn dictionary(&mut self) -> Read<DataType> {
        if !self.optional_key(&["values"])? {
            let indices = self.data_type()?;
            self.expect(',')?;
            let values = self.data_type()?;
            return Ok(DataType::Dictionary(Box::new(indices), Box::new(values)));
        }
        let values = self.data_type()?;
        self.expect(',')?;
        self.optional_key(&["indices"])?;
        let indices = self.data_type()?;
        if self.eat(',') {
            self.optional_key(&["ordered"])?;
            let (ordered, _) = self.value()?;
            if !matches!(ordered, "0" | "False" | "false") {
                return Err("a type's name cannot make a dictionary ordered".to_owned());
            }
        }
        Ok(DataType::Dictionary(Box::new(indices), Box::new(values)))
    }

    /// The items of a list: their type, which may have a name before it and `not null` after it.
    fn item(&mut self) -> Read<Arc<Field>> {
        let mark = self.rest.find([':', ',', '<', '>', '[', ']', '(', ')']);
        let named = mark.is_some_and(|at| self.rest[at..].starts_with(':'));
        let name = if named {
            self.field_name()?
        } else {
            Field::LIST_FIELD_DEFAULT_NAME
        };
        self.field(name).map(Arc::new)
    }

    fn array(&mut self) -> Read<DataType> {
        let item = self.item()?;
        self.expect(',')?;
        Ok(DataType::FixedSizeList(item, self.number()?))
    }

    fn fields(&mut self) -> Read<Fields> {
        let mut fields = Vec::new();
        if self.peek().is_some_and(|next| ">])".contains(next)) {
            return Ok(Fields::empty());
        }
        loop {
            let name = self.field_name()?;
            fields.push(self.field(name)?);
            if !self.eat(',') {
                return Ok(fields.into());
            }
        }
    }

    fn field(&mut self, name: &str) -> Read<Field> {
        let data_type = self.data_type()?;
        let nullable = !self.not_null()?;
        Ok(Field::new(name, data_type, nullable))
    }

    fn map(&mut self) -> Read<DataType> {
        let key = Field::new("key", self.data_type()?, false);
        self.expect(',')?;
        let value = Field::new("value", self.data_type()?, true);
        let sorted = self.eat(',');
        if sorted && !self.word().eq_ignore_ascii_case("keys_sorted") {
            return Err(self.unexpected("keys_sorted"));
        }
        let pair = DataType::Struct(vec![key, value].into());
        let entries = Field::new("entries", pair, false);
        Ok(DataType::Map(Arc::new(entries), sorted))
    }

    fn not_null(&mut self) -> Read<bool> {
        if !self.peek().is_some_and(|next| next.is_ascii_alphabetic()) {
            return Ok(false);
        }
        let (not, null) = (self.word(), self.word());
        if not.eq_ignore_ascii_case("not") && null.eq_ignore_ascii_case("null") {
            Ok(true)
        } else {
            Err("only `not null` can come after the type of a field".to_owned())
        }
    }

    /// The name of a field and the colon after it.
    ///
    /// Names with a mark in them that would end a type need quotes around them.
    fn field_name(&mut self) -> Read<&'a str> {
        if let Some(name) = self.quoted()? {
            self.expect(':')?;
            return Ok(name);
        }
        let Some((name, rest)) = self.rest.split_once(':') else {
            return Err(self.unexpected("a name, a colon and a type, as in a: int64"));
        };
        let name = name.trim();
        if name.is_empty() || name.contains([',', '<', '>', '\\']) {
            return Err(self.unexpected("a name, a colon and a type, as in a: int64"));
        }
        self.rest = rest;
        Ok(name)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Read<T> {
        let before = self.rest;
        let (digits, _) = self.value()?;
        digits.parse().map_err(|_| {
            self.rest = before;
            self.unexpected("a number that fits")
        })
    }

    /// Whether one of `keys` and an equals sign come next, which are then read; no other key may.
    fn optional_key(&mut self, keys: &[&str]) -> Read<bool> {
        let mut ahead = Self {
            rest: self.rest,
            depth: self.depth,
        };
        let key = ahead.word();
        if !ahead.eat('=') {
            return Ok(false);
        }
        if !keys.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            return Err(self.unexpected(&format!("{}=", keys.join("= or "))));
        }
        self.rest = ahead.rest;
        Ok(true)
    }

    /// A value that is not a type: a number, a unit or a time zone, in quotes or without.
    fn value(&mut self) -> Read<(&'a str, Quoted)> {
        if let Some(value) = self.quoted()? {
            return Ok((value, Quoted(true)));
        }
        let value = self.take(|c| c.is_alphanumeric() || "_+-/:".contains(c));
        if value.is_empty() {
            Err(self.unexpected("a value"))
        } else {
            Ok((value, Quoted(false)))
        }
    }

    fn quoted(&mut self) -> Read<Option<&'a str>> {
        let Some(quote @ ('"' | '\'')) = self.peek() else {
            return Ok(None);
        };
        let Some((text, rest)) = self.rest[1..].split_once(quote) else {
            return Err(self.unexpected("an end of the quotes"));
        };
        if text.contains('\\') {
            return Err(self.unexpected("quotes without a backslash"));
        }
        self.rest = rest;
        Ok(Some(text))
    }

    fn word(&mut self) -> &'a str {
        self.take(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// What comes next as far as `belongs` says, after spaces.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// What `read` reads, between brackets.
    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let close = match self.peek() {
            Some('<') => '>',
            Some('[') => ']',
            Some('(') => ')',
            _ => return Err(self.unexpected("an opening bracket")),
        };
        self.rest = &self.rest[1..];
        let inner = read(self)?;
        self.expect(close)?;
        Ok(inner)
    }

    fn at_bracket(&mut self) -> bool {
        self.peek().is_some_and(|next| "<[(".contains(next))
    }

    fn expect(&mut self, mark: char) -> Read<()> {
        if self.eat(mark) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("`{mark}`")))
        }
    }

    fn eat(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(mark);
        if found {
            self.rest = &self.rest[mark.len_utf8()..];
        }
        found
    }

    /// The next character that is not a space, which is then at the start of what is left.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn unexpected(&self, expected: &str) -> String {
        match self.rest.trim_start() {
            "" => format!("{expected} was expected at its end"),
            rest => format!("{expected} was expected at `{}`", shortened(rest)),
        }
    }
}

/// Whether a value was written in quotes.
struct Quoted(bool);

/// The type that is named by one word, `word` in lower case without underscores.
fn simple(word: &str, written: &str) -> Read<DataType> {
    Ok(match word {
        "null" => DataType::Null,
        "bool" | "boolean" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" | "i16" => DataType::Int16,
        "int32" | "i32" => DataType::Int32,
        "int64" | "i64" | "int" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" | "u16" => DataType::UInt16,
        "uint32" | "u32" => DataType::UInt32,
        "uint64" | "u64" | "uint" => DataType::UInt64,
        "float16" | "f16" | "half" | "halffloat" => DataType::Float16,
        "float32" | "f32" | "float" => DataType::Float32,
        "float64" | "f64" | "double" => DataType::Float64,
        "string" | "str" | "utf8" => DataType::Utf8,
        "largestring" | "largestr" | "largeutf8" => DataType::LargeUtf8,
        "stringview" | "utf8view" => DataType::Utf8View,
        "binary" | "bytes" => DataType::Binary,
        "largebinary" => DataType::LargeBinary,
        "binaryview" => DataType::BinaryView,
        "date" => DataType::Date32,
        "time" => DataType::Time64(TimeUnit::Nanosecond),
        "category" | "categorical" | "cat" => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        }
        "monthinterval" => DataType::Interval(IntervalUnit::YearMonth),
        "daytimeinterval" => DataType::Interval(IntervalUnit::DayTime),
        "monthdaynanointerval" => DataType::Interval(IntervalUnit::MonthDayNano),
        "i8" => return Err("it could be int8 or int64, write one of them".to_owned()),
        "u8" => return Err("it could be uint8 or uint64, write one of them".to_owned()),
        "object" => {
            return Err("objects can be anything, name what they are, as in string".to_owned());
        }
        _ => return Err(format!("there is no `{}`", shortened(written))),
    })
}

fn shortened(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_REPEATED);
    end.map_or(text, |(end, _)| &text[..end])
}
