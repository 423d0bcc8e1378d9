//! Deterministic keys, values and batches, the same for every engine and layer.

/// A key of 16 bytes. Keys of consecutive numbers sort far from each other.
pub fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// An incompressible value of `len` bytes.
pub fn value(number: u64, len: usize) -> Vec<u8> {
    let mut state = number | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

/// A pseudo-random number below `bound`.
pub fn scatter(number: u64, bound: u64) -> u64 {
    number.wrapping_mul(0x2545_F491_4F6C_DD1D).rotate_left(17) % bound
}

/// One operation of a batch.
pub enum Op {
    Put([u8; 16], Vec<u8>),
    Delete([u8; 16]),
}

/// Batches of a mixed load: of ten operations, eight write new keys, one overwrites and one deletes.
pub fn mixed_batches(rows: u64, batch_len: usize, value_len: usize) -> Vec<Vec<Op>> {
    let mut batches = Vec::new();
    let mut batch = Vec::with_capacity(batch_len);
    for number in 0..rows {
        batch.push(match number % 10 {
            8 => Op::Put(key(scatter(number, number)), value(number, value_len)),
            9 => Op::Delete(key(scatter(number, number))),
            _ => Op::Put(key(number), value(number, value_len)),
        });
        if batch.len() == batch_len {
            batches.push(std::mem::replace(&mut batch, Vec::with_capacity(batch_len)));
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}
