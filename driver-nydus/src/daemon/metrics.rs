//! What a daemon counts. What other versions count beside that is passed over; what they don't is 0.

use serde::Deserialize;

/// What happened to the files of one image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ImageMetrics {
    /// Whether files are counted one by one.
    pub files_account_enabled: bool,
    /// Whether the daemon keeps which files were read when.
    pub access_pattern_enabled: bool,
    /// Whether the daemon keeps which files were read of late.
    pub record_latest_read_files_enabled: bool,
    /// How many files are open.
    pub nr_opens: u64,
    /// How many bytes were read from its files.
    pub data_read: u64,
    /// How many reads there were, by size: below 1 KiB, 4 KiB, 16 KiB, 64 KiB, 128 KiB, 512 KiB, 1 MiB, and from there on.
    pub block_count_read: Vec<u64>,
    /// How often each operation succeeded.
    pub fop_hits: PerOperation,
    /// How often each operation failed.
    pub fop_errors: PerOperation,
    /// How many microseconds each operation took, altogether.
    pub fop_cumulative_latency_total: PerOperation,
    /// How many reads there were, by time: to 200 µs, 1 ms, 20 ms, 50 ms, 500 ms, 1 s, 2 s, and longer.
    pub read_latency_dist: Vec<u64>,
}

/// What happened to one file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FileMetrics {
    /// How many operations there were.
    pub total_fops: u64,
    /// How many bytes were read.
    pub data_read: u64,
    /// How many reads there were, by size, as in [`ImageMetrics::block_count_read`].
    pub block_count_read: Vec<u64>,
    /// How often each operation succeeded.
    pub fop_hits: PerOperation,
    /// How often each operation failed.
    pub fop_errors: PerOperation,
}

/// A number for each operation on files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct PerOperation(Vec<u64>);

/// The operations on files that daemons count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileOperation {
    /// Attributes of a file.
    Getattr,
    /// Where a symbolic link leads.
    Readlink,
    /// Opening a file.
    Open,
    /// Closing a file.
    Release,
    /// Reading a file.
    Read,
    /// How full the file system is.
    Statfs,
    /// An extended attribute.
    Getxattr,
    /// The names of extended attributes.
    Listxattr,
    /// Opening a directory.
    Opendir,
    /// Looking for a name in a directory.
    Lookup,
    /// Reading a directory.
    Readdir,
    /// Reading a directory with the attributes of what is in it.
    Readdirplus,
    /// Whether a file may be used.
    Access,
    /// A file is not needed any more.
    Forget,
    /// Files are not needed any more.
    BatchForget,
}

/// A file that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AccessedFile {
    /// Its inode.
    pub ino: u64,
    /// How often it was read.
    pub nr_read: u64,
    /// When it was read first: seconds since 1970.
    pub first_access_time_secs: u64,
    /// And nanoseconds of that second.
    pub first_access_time_nanos: u32,
}

/// Inodes one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<u64>")]
#[non_exhaustive]
pub struct InodeRange {
    /// The first of them.
    pub first: u64,
    /// The last of them, which may be the first.
    pub last: u64,
}

/// What was asked of where the data of images is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BackendMetrics {
    /// What it is, such as `registry`.
    pub backend_type: String,
    /// How often it was read.
    pub read_count: u64,
    /// How often that failed.
    pub read_errors: u64,
    /// How many bytes came.
    pub read_amount_total: u64,
    /// How many milliseconds that took, altogether.
    pub read_cumulative_latency_millis_total: u64,
    /// The same by the size of what was read.
    pub read_cumulative_latency_millis_dist: Vec<u64>,
    /// How many reads there were, by size.
    pub read_count_block_size_dist: Vec<u64>,
    /// How many reads there were, by time and size.
    pub read_latency_sizes_dist: Vec<Vec<u64>>,
}

/// What the cache of an image did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CacheMetrics {
    /// The blobs in it.
    pub underlying_files: Vec<String>,
    /// Its directory.
    pub store_path: String,
    /// How often a part of what was read was in it.
    pub partial_hits: u64,
    /// How often all of what was read was in it.
    pub whole_hits: u64,
    /// How often it was asked.
    pub total: u64,
    /// How many chunks are in it.
    pub entries_count: u32,
    /// How many bytes were fetched ahead.
    pub prefetch_data_amount: u64,
    /// In how many requests.
    pub prefetch_requests_count: u64,
    /// How many threads fetch ahead.
    pub prefetch_workers: u32,
    /// How many chunks were fetched ahead on their own.
    pub prefetch_unmerged_chunks: u64,
    /// How many milliseconds fetching ahead took, altogether.
    pub prefetch_cumulative_time_millis: u64,
    /// When fetching ahead began: seconds since 1970.
    pub prefetch_begin_time_secs: u64,
    /// When fetching ahead ended last: seconds since 1970.
    pub prefetch_end_time_secs: u64,
    /// How many bytes wait to be written to it.
    pub buffered_backend_size: u64,
    /// Whether everything is in it.
    pub data_all_ready: bool,
}

/// What the daemon is doing for somebody who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct InflightOperation {
    /// The inode that it is about.
    pub inode: u64,
    /// What it is, by FUSE's number.
    pub opcode: u32,
    /// The number of the request.
    pub unique: u64,
    /// When it began: seconds since 1970.
    pub timestamp_secs: u64,
}

/// The errors that the daemon met.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DaemonErrors {
    /// How many there were; `errors` has the latest.
    pub total_errors: u64,
    /// How many are kept at most.
    pub max_errors: u64,
    /// What they said.
    pub errors: Vec<String>,
}

/// What the bootstrap of a mounted image says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BootstrapInfo {
    /// Its form: 0x500 is version 5, 0x600 version 6.
    pub version: u32,
    /// How many files and directories there are.
    pub inodes_count: u64,
    /// How many bytes a chunk has at most.
    pub chunk_size: u32,
    /// How many entries are in the image's own list of what to fetch ahead.
    pub prefetch_table_entries: u32,
}

impl PerOperation {
    /// The number for one operation.
    #[must_use]
    pub fn of(&self, operation: FileOperation) -> u64 {
        self.0.get(operation as usize).copied().unwrap_or_default()
    }

    /// The sum of all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl TryFrom<Vec<u64>> for InodeRange {
    type Error = String;

    fn try_from(numbers: Vec<u64>) -> Result<Self, String> {
        match *numbers {
            [first] => Ok(Self { first, last: first }),
            [first, last] if first <= last => Ok(Self { first, last }),
            _ => Err(format!("{} numbers are no range", numbers.len())),
        }
    }
}
