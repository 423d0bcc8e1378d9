//! The contents of a disk: a sparse image whose clones share pages until one is written.
//!
//! One recording yields thousands of crash images that differ in a few pages. So pages are shared through `Arc`s, in
//! groups that are shared too: a clone of a 256 MiB image copies a thousand pointers, and a page is copied when it is
//! written.

use std::io;
use std::sync::Arc;

/// Bytes of a page, the unit of sharing between images.
const PAGE_BYTES: usize = 4096;
/// Pages of a group. The first write to a shared group copies this many pointers.
const GROUP_PAGES: usize = 64;
/// Bytes of a group.
const GROUP_BYTES: u64 = (PAGE_BYTES * GROUP_PAGES) as u64;

type Page = Arc<[u8; PAGE_BYTES]>;
type Group = Arc<[Option<Page>; GROUP_PAGES]>;

/// The contents of a disk. Unwritten ranges read as zero and take no memory; a clone is cheap and shares all pages.
#[derive(Clone, Debug)]
pub struct Image {
    len_bytes: u64,
    groups: Vec<Option<Group>>,
}

/// A range of an image within one page.
struct Piece {
    group: usize,
    page: usize,
    /// First byte within the page.
    from: usize,
    /// End within the page, exclusive.
    to: usize,
}

impl Image {
    /// Creates an image of `len_bytes` zeros.
    pub fn new(len_bytes: u64) -> Image {
        let groups = usize::try_from(len_bytes.div_ceil(GROUP_BYTES)).unwrap_or(usize::MAX);
        Image { len_bytes, groups: vec![None; groups] }
    }

    /// Reads an image from a file or another source of `len_bytes` bytes.
    pub fn from_reader(reader: &mut impl io::Read, len_bytes: u64) -> io::Result<Image> {
        let mut image = Image::new(len_bytes);
        let mut buffer = vec![0; PAGE_BYTES * GROUP_PAGES];
        let mut offset = 0;
        while offset < len_bytes {
            let want = usize::try_from((len_bytes - offset).min(GROUP_BYTES)).unwrap_or(buffer.len());
            reader.read_exact(&mut buffer[..want])?;
            image.write(offset, &buffer[..want]);
            offset += want as u64;
        }
        Ok(image)
    }

    /// The size of the disk, in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The memory that the image's pages take in bytes, including shared pages.
    pub fn used_bytes(&self) -> u64 {
        self.groups.iter().flatten().map(|group| (group.iter().flatten().count() * PAGE_BYTES) as u64).sum()
    }

    /// Fills `buffer` from `offset`; bytes beyond the end of the disk are zero.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        let len_bytes = self.len_within(offset, buffer.len());
        pieces(offset, len_bytes, |piece, at| {
            let page = self.groups[piece.group].as_ref().and_then(|group| group[piece.page].as_ref());
            if let Some(page) = page {
                let bytes = &page[piece.from..piece.to];
                buffer[at..at + bytes.len()].copy_from_slice(bytes);
            }
        });
    }

    /// Writes `data` at `offset`; bytes beyond the end of the disk are ignored.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let len_bytes = self.len_within(offset, data.len());
        pieces(offset, len_bytes, |piece, at| {
            let bytes = &data[at..at + (piece.to - piece.from)];
            self.write_piece(&piece, bytes);
        });
    }

    /// Writes `bytes` into one page. Zeros allocate no page, and a page that is overwritten with zeros is freed.
    fn write_piece(&mut self, piece: &Piece, bytes: &[u8]) {
        let zero = is_zero(bytes);
        let group = &mut self.groups[piece.group];
        if zero && group.as_ref().is_none_or(|group| group[piece.page].is_none()) {
            return;
        }
        let group = Arc::make_mut(group.get_or_insert_with(|| Arc::new([const { None }; GROUP_PAGES])));
        let slot = &mut group[piece.page];
        if bytes.len() == PAGE_BYTES {
            // A whole page is replaced without copying the old one, because this is the most common write.
            *slot = if zero { None } else { bytes.try_into().ok().map(Arc::new) };
            return;
        }
        let page = slot.get_or_insert_with(|| Arc::new([0; PAGE_BYTES]));
        Arc::make_mut(page)[piece.from..piece.to].copy_from_slice(bytes);
    }

    /// How many of the `len_bytes` bytes at `offset` lie within the disk.
    fn len_within(&self, offset: u64, len_bytes: usize) -> usize {
        usize::try_from(self.len_bytes.saturating_sub(offset)).unwrap_or(usize::MAX).min(len_bytes)
    }
}

/// Two images are equal if they contain the same bytes.
impl PartialEq for Image {
    fn eq(&self, other: &Image) -> bool {
        if self.len_bytes != other.len_bytes {
            return false;
        }
        let same_page = |a: Option<&Page>, b: Option<&Page>| match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            (Some(page), None) | (None, Some(page)) => is_zero(&page[..]),
        };
        self.groups.iter().zip(&other.groups).all(|(a, b)| match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) => true,
            (a, b) => (0..GROUP_PAGES).all(|page| {
                let of = |group: &'_ Option<Group>| group.as_ref().and_then(|group| group[page].clone());
                same_page(of(a).as_ref(), of(b).as_ref())
            }),
        })
    }
}

impl Eq for Image {}

/// Whether all of `bytes`, at most a page, are zero. Compares memory at once, because a loop over 300 MiB would take
/// seconds in a build without optimisation.
fn is_zero(bytes: &[u8]) -> bool {
    bytes == &[0; PAGE_BYTES][..bytes.len()]
}

/// Splits `len_bytes` bytes at `offset` into pieces; calls `each` with a piece and its start within those bytes.
fn pieces(offset: u64, len_bytes: usize, mut each: impl FnMut(Piece, usize)) {
    let mut done = 0;
    while done < len_bytes {
        let at = offset + done as u64;
        // Both fit, because an offset below the image's length belongs to one of its groups.
        let group = usize::try_from(at / GROUP_BYTES).unwrap_or(usize::MAX);
        let within = usize::try_from(at % GROUP_BYTES).unwrap_or(0);
        let from = within % PAGE_BYTES;
        let to = PAGE_BYTES.min(from + (len_bytes - done));
        each(Piece { group, page: within / PAGE_BYTES, from, to }, done);
        done += to - from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn an_image_behaves_like_a_vector_of_bytes() {
        let mut random = Random::new(7);
        let len_bytes = 700_000_u64;
        let mut image = Image::new(len_bytes);
        let mut model = vec![0_u8; 700_000];
        for _ in 0..500 {
            let offset = random.below(model.len());
            let len = random.below(20_000).min(model.len() - offset);
            let fill = [0, 1, 0xff][random.below(3)];
            image.write(offset as u64, &vec![fill; len]);
            model[offset..offset + len].fill(fill);

            let offset = random.below(model.len());
            let mut buffer = vec![9; random.below(300_000).min(model.len() - offset)];
            image.read(offset as u64, &mut buffer);
            assert!(buffer == model[offset..offset + buffer.len()]);
        }
        let read = Image::from_reader(&mut &model[..], len_bytes).unwrap();
        assert!(read == image);
    }

    #[test]
    fn later_writes_do_not_change_a_clone() {
        let mut image = Image::new(1 << 28);
        image.write(4096, &[1; 8192]);
        let before = image.clone();
        image.write(5000, &[2; 10]);
        image.write(1 << 27, &[3; 10]);
        let mut buffer = [0; 10];
        before.read(5000, &mut buffer);
        assert_eq!(buffer, [1; 10]);
        before.read(1 << 27, &mut buffer);
        assert_eq!(buffer, [0; 10]);
        assert!(before != image);
        let page = |image: &Image, page: usize| image.groups[0].as_ref().unwrap()[page].clone().unwrap();
        assert!(Arc::ptr_eq(&page(&before, 2), &page(&image, 2)), "the untouched page is still shared");
    }

    #[test]
    fn zeros_take_no_memory() {
        let mut image = Image::new(1 << 28);
        image.write(0, &vec![0; 1 << 20]);
        assert_eq!(image.used_bytes(), 0);
        image.write(4096, &[1; 4096]);
        assert_eq!(image.used_bytes(), 4096);
        image.write(0, &vec![0; 1 << 20]);
        assert_eq!(image.used_bytes(), 0);
        assert!(image == Image::new(1 << 28));
    }

    #[test]
    fn bytes_beyond_the_end_are_ignored_and_read_as_zero() {
        let mut image = Image::new(5000);
        image.write(4990, &[1; 100]);
        image.write(6000, &[1; 100]);
        let mut buffer = [9; 20];
        image.read(4990, &mut buffer);
        assert_eq!(buffer[..10], [1; 10]);
        assert_eq!(buffer[10..], [0; 10]);
        image.read(u64::MAX - 5, &mut buffer);
        assert_eq!(buffer, [0; 20]);
    }
}
