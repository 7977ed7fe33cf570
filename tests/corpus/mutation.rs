//! Files like those of a corpus, but not quite: for fuzzing where there is no nightly toolchain.

use hangar::random::Random;

/// Numbers that are at the edge of something.
const EDGES: [&str; 10] =
    ["0", "-1", "1", "255", "65536", "2147483648", "9223372036854775808", "18446744073709551616", "1e999", "0.5"];

/// One file of `corpus`, changed in up to eight places.
pub(crate) fn mutant(corpus: &[Vec<u8>], random: &Random) -> Vec<u8> {
    let mut data = any(corpus, random).clone();
    for _ in 0..=below(8, random) {
        match below(8, random) {
            0 if !data.is_empty() => {
                let at = below(data.len(), random);
                data[at] ^= 1 << below(8, random);
            }
            1 => {
                let at = below(data.len() + 1, random);
                data.insert(at, u8::try_from(below(256, random)).expect("a byte"));
            }
            2 => drop(data.drain(part(&data, random))),
            3 => {
                let copied = data[part(&data, random)].to_vec();
                put(&mut data, &copied, random);
            }
            4 => {
                let other = any(corpus, random);
                let copied = other[part(other, random)].to_vec();
                let place = part(&data, random);
                drop(data.splice(place, copied));
            }
            5 => {
                let digits: Vec<usize> = (0..data.len()).filter(|at| data[*at].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    let at = *any(&digits, random);
                    let end = (at..data.len()).find(|at| !data[*at].is_ascii_digit()).unwrap_or(data.len());
                    drop(data.splice(at..end, any(&EDGES, random).bytes()));
                }
            }
            _ => {
                // A line, or what stands between two commas, from somewhere else: the most likely to be read.
                let other = any(corpus, random);
                let pieces: Vec<&[u8]> = other.split_inclusive(|byte| matches!(byte, b'\n' | b',')).collect();
                if !pieces.is_empty() {
                    let piece = any(&pieces, random).to_vec();
                    let starts: Vec<usize> =
                        (0..data.len()).filter(|at| *at == 0 || matches!(data[*at - 1], b'\n' | b',')).collect();
                    let at = if starts.is_empty() { 0 } else { *any(&starts, random) };
                    drop(data.splice(at..at, piece));
                }
            }
        }
    }
    data
}

fn put(data: &mut Vec<u8>, piece: &[u8], random: &Random) {
    let at = below(data.len() + 1, random);
    drop(data.splice(at..at, piece.iter().copied()));
}

/// A part of up to 64 bytes.
fn part(data: &[u8], random: &Random) -> std::ops::Range<usize> {
    let start = below(data.len() + 1, random);
    start..(start + below(64, random)).min(data.len())
}

fn any<'a, T>(all: &'a [T], random: &Random) -> &'a T {
    &all[below(all.len(), random)]
}

fn below(limit: usize, random: &Random) -> usize {
    let limit = u64::try_from(limit).expect("it fits");
    usize::try_from(random.next_u64() % limit).expect("it fits")
}
