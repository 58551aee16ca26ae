//! Persons and department files from a seed. All numbers begin with 999999 and belong to nobody.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use encoding_rs::GB18030;

/// Persons asked about.
pub const AUTHORISED: u64 = 300_000;
/// One row in so many is an authorised person's: 220 000 of 10 000 000.
const HIT_EVERY: u64 = 45;
const SEED: u64 = 20_260_831;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether something of so many in a thousand happens.
    fn permille(&mut self, of_thousand: u64) -> bool {
        self.below(1000) < of_thousand
    }
}

/// Numbers there are: 90 years of 12 × 28 days, 1000 each.
const NUMBERS: u64 = 90 * 12 * 28 * 1000;

/// The ID number of person `serial`; consecutive persons have nothing in common.
fn number(serial: u64) -> String {
    // The factor has no divisor in common with NUMBERS, so that no two persons share a number.
    let at = serial * 7_777_781 % NUMBERS;
    let (day, order) = (at / 1000, at % 1000);
    let (year, month, day) = (1930 + day / 336, 1 + day % 336 / 28, 1 + day % 28);
    let body = format!("999999{year}{month:02}{day:02}{order:03}");
    let digits: [u8; 17] = body.as_bytes().try_into().unwrap_or([b'0'; 17]);
    let check = kernel::IdNumber::check_character(&digits);
    format!("{body}{check}")
}

const FAMILY: [&str; 12] = [
    "王",
    "李",
    "张",
    "刘",
    "陈",
    "杨",
    "赵",
    "黄",
    "吕",
    "吴",
    "买买提·",
    "杜",
];
const GIVEN: [&str; 16] = [
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "杰", "娟", "涛", "明",
    "秀兰",
];

fn name(random: &mut Random) -> String {
    let mut name = FAMILY[random.below(12) as usize].to_owned();
    for _ in 0..=random.below(2) {
        name += GIVEN[random.below(16) as usize];
    }
    name
}

/// Writes `persons.csv`, `clean.csv`, the same with dirt in it as `dirty.csv`, and that in GBK as
/// `gbk.csv`.
pub fn write(rows: u64, folder: &Path) -> anyhow::Result<()> {
    write_persons(&folder.join("persons.csv"))?;
    let file = |name| folder.join(name);
    write_rows(
        rows,
        &file("clean.csv"),
        &file("dirty.csv"),
        &file("gbk.csv"),
    )?;
    Ok(())
}

/// Writes `id,name` of everybody asked about.
fn write_persons(path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "id,name")?;
    for serial in 0..AUTHORISED {
        writeln!(
            out,
            "{},{}",
            number(serial),
            name(&mut Random(SEED ^ serial))
        )?;
    }
    out.flush()
}

fn write_rows(rows: u64, clean: &Path, dirty: &Path, gbk: &Path) -> io::Result<()> {
    let create = |path| File::create(path).map(|file| BufWriter::with_capacity(1 << 20, file));
    let (mut clean, mut dirty, mut gbk) = (create(clean)?, create(dirty)?, create(gbk)?);
    let mut random = Random(SEED);
    writeln!(clean, "id,name,amount,date")?;
    // As spreadsheets on Windows end their lines.
    for out in [&mut dirty, &mut gbk] {
        write!(out, "id,name,amount,date\r\n")?;
    }
    let (mut known, mut outsiders) = (0, AUTHORISED);
    for _ in 0..rows {
        let serial = if random.below(HIT_EVERY) == 0 && known < AUTHORISED {
            &mut known
        } else {
            &mut outsiders
        };
        *serial += 1;
        let serial = *serial - 1;
        let (id, name) = (number(serial), name(&mut Random(SEED ^ serial)));
        let amount = format!("{}.{:02}", random.below(100_000), random.below(100));
        let (year, month, day) = (
            2020 + random.below(6),
            1 + random.below(12),
            1 + random.below(28),
        );
        let date = format!("{year}-{month:02}-{day:02}");
        writeln!(clean, "{id},{name},{amount},{date}")?;
        let row = bent(&mut random, id, name, &amount, &date);
        dirty.write_all(row.as_bytes())?;
        gbk.write_all(&GB18030.encode(&row).0)?;
    }
    clean.flush()?;
    dirty.flush()?;
    gbk.flush()
}

/// A row as it comes from an office: about one in five is not clean.
fn bent(random: &mut Random, mut id: String, mut name: String, amount: &str, date: &str) -> String {
    match random.below(1000) {
        0..10 => {
            id.truncate(15);
        }
        10..20 => {
            let at = random.below(17) as usize;
            let digit = (id.as_bytes()[at] - b'0' + 1) % 10;
            id.replace_range(at..=at, &digit.to_string());
        }
        20..25 => id = format!("{}.{}E+17", &id[..1], &id[1..7]),
        25..28 => {
            id = id
                .chars()
                .filter_map(|c| char::from_u32(c as u32 + 0xFEE0))
                .collect()
        }
        28..33 => id = format!("\t{id}"),
        33..43 => id.push(' '),
        43..46 => id.replace_range(6..7, "年"),
        46..48 => id.clear(),
        48..50 => {
            id.pop();
        }
        50..300 => id.make_ascii_lowercase(),
        _ => {}
    }
    match random.below(1000) {
        0..20 => name = GIVEN[random.below(16) as usize].to_owned(),
        20..40 => name = name.replace('·', "•").replace('吕', "呂"),
        40..50 => name.insert(name.chars().next().map_or(0, char::len_utf8), '\u{3000}'),
        _ => {}
    }
    if random.permille(100) {
        name = format!("\"{name}\"");
    } else if random.permille(2) {
        name = format!("\"{name}\n\"");
    }
    let end = "\r\n";
    if random.permille(2) {
        return format!("{id},{name}{end}");
    }
    if random.permille(20) {
        return format!("\"{id}\",{name},\"{amount}\",\"{date}\"{end}");
    }
    format!("{id},{name},{amount},{date}{end}")
}
