//! Both sides of a run on one machine, beside the bare multiplications that a run cannot do without:
//! `tests/bench psi [--quick]`. docs/benches.md says what the figures mean.

use std::time::{Duration, Instant};

use comparison_psi::{answer, ask};
use curve25519_dalek::{constants::RISTRETTO_BASEPOINT_POINT, scalar::Scalar};
use kernel::IdNumber;
use nix::sys::resource::{UsageWho, getrusage};
use uuid::Uuid;

/// Longest that a run of the full size may take on two cores.
const TARGET_S: f64 = 300.0;
/// Bare multiplications of a sample.
const SAMPLE: u32 = 20_000;

fn main() -> anyhow::Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (asked, held) = match is_quick {
        true => (6_000, 20_000),
        false => (300_000, 1_000_000),
    };
    let (county, register) = (persons(0..asked), persons(asked / 2..asked / 2 + held));
    let (begun, cpu_before) = (Instant::now(), cpu_s()?);
    let (secret, question) = ask(Uuid::nil(), county)?;
    let asked_s = begun.elapsed();
    let answered = answer(&question, register)?;
    let answered_s = begun.elapsed() - asked_s;
    let found = secret.open(&answered)?;
    let (wall, cpu) = (begun.elapsed(), cpu_s()? - cpu_before);
    let expected = asked.min(asked / 2 + held) - asked / 2;
    anyhow::ensure!(found.len() == expected as usize, "{} found", found.len());

    // Asked about, answered and opened; and everybody held.
    let multiplications = f64::from(3 * asked + held);
    let bare = bare_s() * multiplications;
    let opened_s = wall - asked_s - answered_s;
    eprintln!("── asked in {asked_s:.1?}, answered in {answered_s:.1?}, opened in {opened_s:.1?}");
    let target = TARGET_S * multiplications / 1_900_000.0;
    print("wall", "s", wall.as_secs_f64(), None, target);
    print("cpu_vs_bare_multiplications", "ratio", cpu, Some(bare), 2.0);
    Ok(())
}

/// ID numbers of nobody, each another.
fn persons(numbers: std::ops::Range<u32>) -> Vec<IdNumber> {
    let person = |number: u32| {
        let (serial, days) = (number % 1000, number / 1000);
        let (day, month, year) = (1 + days % 28, 1 + days / 28 % 12, 1900 + days / 336);
        let digits = format!("999999{year}{month:02}{day:02}{serial:03}");
        let bytes = digits.as_bytes().try_into().ok()?;
        format!("{digits}{}", IdNumber::check_character(bytes))
            .parse()
            .ok()
    };
    numbers.filter_map(person).collect()
}

/// A multiplication of a point by a scalar, in seconds of one core.
fn bare_s() -> f64 {
    let (mut point, scalar) = (RISTRETTO_BASEPOINT_POINT, Scalar::from(7_u8).invert());
    let begun = Instant::now();
    for _ in 0..SAMPLE {
        point *= scalar;
    }
    std::hint::black_box(point);
    begun.elapsed().as_secs_f64() / f64::from(SAMPLE)
}

/// CPU of this process so far, all threads.
fn cpu_s() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let [user, system] = [usage.user_time(), usage.system_time()];
    let of = |seconds: i64, micros: i64| {
        Duration::from_secs(seconds.unsigned_abs()) + Duration::from_micros(micros.unsigned_abs())
    };
    let all = of(user.tv_sec(), user.tv_usec()) + of(system.tv_sec(), system.tv_usec());
    Ok(all.as_secs_f64())
}

fn print(figure: &str, unit: &str, ours: f64, peer: Option<f64>, most: f64) {
    let ratio = peer.map(|peer| ours / peer);
    let held = ratio.unwrap_or(ours) <= most;
    let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
    let line = serde_json::json!({
        "bench": "psi", "figure": figure, "unit": unit, "ours": rounded(ours),
        "peer": peer.map(rounded), "ratio": ratio.map(rounded),
        "target": format!("<={most:.1}"), "held": held,
    });
    println!("{line}");
}
