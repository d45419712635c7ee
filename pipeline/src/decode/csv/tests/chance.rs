//! Any cells, any bytes and any damage, in any pieces.

use std::io::Cursor;

use csv_core::{WriteResult, Writer};
use proptest::prelude::*;

use super::*;
use crate::decode::testing::{Trickle, read_from};

type Step<'a> = &'a mut dyn FnMut(&mut Writer, &mut [u8]) -> (WriteResult, usize);

fn written(records: &[Vec<String>], delimiter: u8, end: &str) -> Vec<u8> {
    let mut writer = csv_core::WriterBuilder::new().delimiter(delimiter).build();
    let mut text = Vec::new();
    let mut room = vec![0; 1 << 16];
    let mut put = |text: &mut Vec<u8>, step: Step<'_>| {
        let (result, length) = step(&mut writer, &mut room);
        assert_eq!(result, WriteResult::InputEmpty);
        text.extend_from_slice(&room[..length]);
    };
    for record in records {
        for (index, cell) in record.iter().enumerate() {
            if index > 0 {
                put(&mut text, &mut |writer, room| writer.delimiter(room));
            }
            put(&mut text, &mut |writer, room| {
                let (result, _, length) = writer.field(cell.as_bytes(), room);
                (result, length)
            });
        }
        // Closes the cell; the line end is ours.
        put(&mut text, &mut |writer, room| writer.terminator(room));
        text.pop();
        text.extend_from_slice(end.as_bytes());
    }
    text
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(
            prop::sample::select(vec![
                'a', '"', ',', '|', '\n', '\r', ' ', '\0', 'é', '\u{FEFF}', '😀'
            ]),
            0..6
        )
        .prop_map(String::from_iter),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn cells_survive_writing_and_reading_in_any_pieces(
        records in proptest::collection::vec(proptest::collection::vec(cell(), 3), 0..8),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..64,
        delimiter in prop::sample::select(b",|\t".to_vec()),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let text = written(&records, delimiter, end);
        let format = CsvFormat { delimiter, null: Vec::new(), ..declared(&["a", "b", "c"]) };
        let limits = Limits { chunk, rows: 3, ..Limits::default() };
        // A mark at the start would be taken for a byte order mark; the writer does not quote it.
        prop_assume!(!text.starts_with("\u{FEFF}".as_bytes()));
        let input = Trickle { bytes: Cursor::new(text), sizes, calls: 0 };
        let all = read_from(Box::new(input), &Format::Csv(format), limits).unwrap();
        prop_assert_eq!(&all.malformed, &[]);
        let rows: Vec<Vec<String>> = all.rows.into_iter().map(|(_, row)| row.into_values().collect()).collect();
        prop_assert_eq!(rows, records);
    }

    #[test]
    fn a_damaged_line_touches_no_other(
        records in proptest::collection::vec(("[a-c \"\n]{0,5}", "[a-c\"]{0,3}", any::<bool>()), 1..30),
        damaged in proptest::collection::vec((0_usize..30, 0_usize..4), 1..4),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
        chunk in 1_usize..64,
    ) {
        let quoted = |cell: &str| format!("\"x{}\"", cell.replace('"', "\"\""));
        let damages = ["{n},\"5 inch,z", "{n},\"5\" inch,z", "{n},\"5\" \"inch\",z", "{n},\"x\"\"y\"z,z"];
        let (mut text, mut wanted) = (format!("n,x,y{end}"), Vec::new());
        for (number, (cell, other, quote)) in records.iter().enumerate() {
            match damaged.iter().find(|(line, _)| *line == number) {
                Some((_, damage)) => text += &damages[*damage].replace("{n}", &number.to_string()),
                None => {
                    let other = other.replace('"', "");
                    let row = if *quote { quoted(&other) } else { other.clone() };
                    text += &format!("{number},{},{row}", quoted(cell));
                    let other = if *quote { format!("x{other}") } else { other };
                    wanted.push((number.to_string(), format!("x{cell}"), other));
                }
            }
            text += end;
        }
        let input = Trickle { bytes: Cursor::new(text.into_bytes()), sizes, calls: 0 };
        let limits = Limits { chunk, rows: 3, ..Limits::default() };
        let format = CsvFormat { null: Vec::new(), ..present() };
        let all = read_from(Box::new(input), &Format::Csv(format), limits).unwrap();
        let cell = |row: &std::collections::BTreeMap<String, String>, name: &str| row[name].clone();
        let rows: Vec<_> = all.rows.iter().map(|(_, row)| (cell(row, "n"), cell(row, "x"), cell(row, "y"))).collect();
        prop_assert_eq!(rows, wanted);
    }

    #[test]
    fn any_bytes_give_the_same_in_any_pieces(
        text in proptest::collection::vec(
            prop::sample::select(b"ab\",\n\r\xC3\xA9\0".to_vec()), 0..120
        ),
        sizes in proptest::collection::vec(1_usize..20, 1..5),
        chunk in 1_usize..32,
    ) {
        let format = Format::Csv(declared(&["a", "b"]));
        let limits = Limits { record: 30, ..Limits::default() };
        let whole = read_within(&text, &format, limits).unwrap();
        let input = Trickle { bytes: Cursor::new(text), sizes, calls: 0 };
        let pieces = read_from(Box::new(input), &format, Limits { chunk, ..limits }).unwrap();
        prop_assert_eq!(whole, pieces);
    }
}
