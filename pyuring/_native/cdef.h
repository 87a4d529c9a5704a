/* What pyuring's own C offers to Python. Read by CFFI, not by a C compiler; the
 * operations' functions are added from the rows of operations.h. */

#define IORING_SETUP_NO_MMAP ...
#define IORING_SETUP_REGISTERED_FD_ONLY ...
#define IORING_SETUP_NO_SQARRAY ...
#define IORING_SETUP_HYBRID_IOPOLL ...
#define IORING_SETUP_CQE_MIXED ...
#define IORING_SETUP_SQE_MIXED ...
#define IORING_SETUP_SQ_REWIND ...
#define IORING_FEAT_REG_REG_RING ...
#define IORING_FEAT_RECVSEND_BUNDLE ...
#define IORING_FEAT_MIN_TIMEOUT ...
#define IORING_FEAT_RW_ATTR ...
#define IORING_FEAT_NO_IOWAIT ...

#define PYURING_NOT_YOURS ...
#define PYURING_NO_ROOM ...
#define PYURING_BAD_SLOT ...
#define PYURING_BAD_FD ...
#define PYURING_BAD_TABLE ...
#define PYURING_BAD_OFFSET ...
#define PYURING_BAD_LENGTH ...
#define PYURING_CHAIN_TOO_LONG ...
#define PYURING_IN_CHAIN ...
#define PYURING_EXHAUSTED ...
#define PYURING_STARVED ...
#define PYURING_NO_CHAIN ...
#define PYURING_NOT_POLLED ...
#define PYURING_TRUNCATES ...
#define PYURING_BAD_FUTEX ...
#define PYURING_BAD_COMMAND ...
#define PYURING_BAD_TIME ...
#define PYURING_BAD_PAGES ...
#define PYURING_TAG_TIMED ...
#define PYURING_TAG_RW ...
#define PYURING_TAG_FLAGS ...
#define PYURING_BATCH_HAS_FLAGS ...
#define PYURING_BATCH_IS_MIXED ...
#define PYURING_PART ...
#define PYURING_NO_SLOT ...
#define PYURING_TIMED_OUT ...
#define PYURING_NOTIFIED ...
#define PYURING_COPIED ...
#define PYURING_INTERNAL ...
#define PYURING_MESSAGE ...
#define PYURING_RELEASED ...
#define PYURING_ID_BITS ...
#define PYURING_CQE_F_BUF_MORE ...
#define PYURING_PBUF_RING_INC ...
#define PYURING_CQE_F_SKIP ...
#define PYURING_CQE_F_32 ...
#define IORING_ASYNC_CANCEL_OP ...
#define IORING_NOP_INJECT_RESULT ...
#define IORING_NOP_CQE32 ...
#define IORING_MSG_RING_FLAGS_PASS ...
#define PYURING_SEND_ZC_REPORT_USAGE ...
#define PYURING_ACCEPT_DONTWAIT ...
#define PYURING_ACCEPT_POLL_FIRST ...
#define PYURING_LONGEST_ADDRESS ...
#define IORING_CQE_BUFFER_SHIFT ...
#define PYURING_MAX_LENGTH ...
#define PYURING_FILE_BITS ...
#define PYURING_FILE_BIT ...
#define PYURING_FILE_ANY ...
#define PYURING_PROBE_OPCODES ...
#define PYURING_ENTER_NO_IOWAIT ...
#define IORING_RESTRICTION_REGISTER_OP ...
#define IORING_RESTRICTION_SQE_OP ...
#define IORING_RESTRICTION_SQE_FLAGS_ALLOWED ...
#define IORING_RESTRICTION_SQE_FLAGS_REQUIRED ...

struct pyuring {
	uint64_t owner;
	struct io_uring ring;
	uint32_t limit;
	uint32_t in_flight;
	uint32_t running;
	uint32_t notifying;
	uint32_t expected;
	uint32_t starving;
	uint16_t personality;
	bool expects_messages;
	int enter_fd;
	unsigned enter_flags;
	uint32_t min_wait_us;
	int64_t gather_until;
	bool gathered;
	bool disabled;
	unsigned required;
	struct pyuring_reg_wait *reg_wait;
	struct __kernel_timespec *timeouts;
	int32_t *batch_slots;
	int32_t *batch_res;
	uint64_t *batch_flags;
	uint64_t *batch_places;
	uint64_t *batch_extra;
	int64_t batch_number;
	uint64_t buffers_key;
	uint64_t submitted;
	uint64_t completed;
	uint64_t enters;
	uint64_t sq_full;
	uint64_t overflows;
	uint64_t unexpected;
	uint64_t starved;
	uint64_t rearmed;
	...;
};

struct pyuring_provided { uint32_t length; uint16_t next; ...; };
struct pyuring_group { uint32_t count; uint32_t size; uint32_t published; uint32_t leases; uint16_t id; ...; };

struct pyuring_buffer { void *address; uint32_t length; uint32_t index; const uint64_t *live; };

struct pyuring_reg_wait { ...; };
struct pyuring_napi { uint32_t busy_poll_to; uint8_t prefer_busy_poll; ...; };
struct pyuring_clock { uint32_t clockid; ...; };
struct pyuring_query {
	uint32_t nr_request_opcodes;
	uint32_t nr_register_opcodes;
	uint64_t feature_flags;
	uint64_t ring_setup_flags;
	uint64_t enter_flags;
	uint64_t sqe_flags;
	...;
};

struct pyuring_address { char room[...]; socklen_t length; };
struct pyuring_message { void *name; int namelen; size_t controllen; unsigned flags; char room[...]; ...; };

struct pyuring_statx_time { int64_t tv_sec; uint32_t tv_nsec; ...; };
struct pyuring_statx {
	uint32_t stx_mask;
	uint32_t stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink;
	uint32_t stx_uid;
	uint32_t stx_gid;
	uint16_t stx_mode;
	uint64_t stx_ino;
	uint64_t stx_size;
	uint64_t stx_blocks;
	uint64_t stx_attributes_mask;
	struct pyuring_statx_time stx_atime;
	struct pyuring_statx_time stx_btime;
	struct pyuring_statx_time stx_ctime;
	struct pyuring_statx_time stx_mtime;
	uint32_t stx_rdev_major;
	uint32_t stx_rdev_minor;
	uint32_t stx_dev_major;
	uint32_t stx_dev_minor;
	uint64_t stx_mnt_id;
	uint32_t stx_dio_mem_align;
	uint32_t stx_dio_offset_align;
	uint64_t stx_subvol;
	uint32_t stx_atomic_write_unit_min;
	uint32_t stx_atomic_write_unit_max;
	uint32_t stx_atomic_write_segments_max;
	uint32_t stx_dio_read_offset_align;
	uint32_t stx_atomic_write_unit_max_opt;
	...;
};

struct pyuring_waiter { uint64_t value; ...; };
typedef struct { int si_signo; int si_code; int si_pid; unsigned si_uid; int si_status; ...; } siginfo_t;

struct pyuring_opcode { const char *name; int opcode; const char *since; };

static const char *const pyuring_liburing_version;

int pyuring_watch_forks(void);
void pyuring_leak(uintptr_t object);

int pyuring_setup(struct pyuring *u, uint32_t entries, uint32_t cq_entries, uint32_t flags,
	uint32_t sq_thread_idle, uint32_t sq_thread_cpu, uint32_t wq_fd);
int pyuring_enable(struct pyuring *u);
int pyuring_register_ring_fd(struct pyuring *u);
int pyuring_unregister_ring_fd(struct pyuring *u);
int pyuring_resize(struct pyuring *u, uint32_t entries, uint32_t cq_entries, int64_t taken_over);
int pyuring_register_call(struct pyuring *u, uint32_t opcode, void *argument, uint32_t count);
int pyuring_eventfd(struct pyuring *u, int on);
int pyuring_register_waits(struct pyuring *u);
int pyuring_sync_cancel(struct pyuring *u, int64_t slot, int64_t file);
int pyuring_query(struct pyuring_query *answer);
void pyuring_exit(struct pyuring *u, bool keep);
void pyuring_forget(struct pyuring *u);
bool pyuring_is_mine(const struct pyuring *u);

int pyuring_submit(struct pyuring *u);
int64_t pyuring_enter(struct pyuring *u, uint32_t want, int64_t timeout_ns, int64_t taken_over);
int64_t pyuring_peek(struct pyuring *u, int64_t taken_over);
int64_t pyuring_discard(struct pyuring *u, int64_t taken_over);
int pyuring_cancel_all(struct pyuring *u, bool one_by_one);
int pyuring_cancel_slot(struct pyuring *u, uint32_t slot);
int pyuring_arm(struct pyuring *u, uint32_t slot, int64_t timeout_ns);
int pyuring_note_rw_flags(struct pyuring *u, uint32_t slot, uint32_t rw_flags);
uint64_t pyuring_id_of(const struct pyuring *u, uint32_t slot);
int pyuring_is_queued(const struct pyuring *u, uint32_t slot);

int pyuring_set_waiter(void *waiters, uint32_t number, void *base, uint64_t length, int64_t offset,
	uint32_t value, bool private);
int pyuring_send_message(int fd, uint64_t data, int32_t res);

int pyuring_chain_begin(struct pyuring *u);
int pyuring_chain_end(struct pyuring *u, uint32_t link);
int64_t pyuring_chain_discard(struct pyuring *u, int64_t taken_over);

int64_t pyuring_register_files(struct pyuring *u, const int *descriptors, const uint64_t *tags, uint32_t count);
int pyuring_update_files(struct pyuring *u, uint32_t index, const int *descriptors, const uint64_t *tags,
	uint32_t count);
int pyuring_alloc_files_in(struct pyuring *u, uint32_t offset, uint32_t length);
int pyuring_unregister_files(struct pyuring *u);
int64_t pyuring_register_buffers(struct pyuring *u, const struct iovec *vectors, const uint64_t *tags,
	uint32_t count);
int pyuring_update_buffer(struct pyuring *u, uint32_t index, const struct iovec *vector, uint64_t tag);
int64_t pyuring_clone_buffers(struct pyuring *u, int source);
int pyuring_unregister_buffers(struct pyuring *u);
int pyuring_provide(struct pyuring *u, struct pyuring_group *group, struct pyuring_provided *buffers, void *ring,
	void *slab, uint32_t count, uint32_t size, uint32_t flags, int id);
int pyuring_take_out(struct pyuring *u, void *known);
int pyuring_left(struct pyuring *u, void *known);
int pyuring_give_back(struct pyuring *u, void *known, uint32_t bid, uint32_t start, uint32_t length);
int pyuring_statx(int fd, const char *path, uint32_t mask, struct pyuring_statx *found);
int64_t pyuring_device_size(int fd);
int pyuring_socket_family(int fd);
int pyuring_socket_type(int fd);
bool pyuring_is_polled(int opcode);
int pyuring_probe(struct pyuring *u, uint8_t supported[256]);

struct pyuring_integers { const char *items; int64_t first; int64_t step; int32_t width; };
struct pyuring_run { uint32_t in_flight; uint32_t depth; bool linked; ...; };
struct pyuring_range { ...; };
struct pyuring_ranges {
	struct pyuring_run run;
	bool writes;
	bool fixed;
	bool lends;
	uint32_t buffer;
	const uint64_t *live;
	uint64_t count;
	int64_t file;
	const int64_t *files;
	struct pyuring_integers offsets;
	struct pyuring_integers lengths;
	char *memory;
	uint64_t size;
	const struct iovec *pieces;
	int64_t *results;
	char *bounce;
	uint64_t bounce_size;
	uint64_t block;
	struct pyuring_range *slots;
	uint32_t *idle;
	uint32_t *again;
	uint64_t next;
	uint64_t position;
	uint64_t failed;
	...;
};

struct pyuring_writes {
	struct pyuring_run run;
	bool syncs;
	int flags;
	uint32_t mode;
	uint64_t count;
	const char *paths;
	const struct iovec *data;
	int64_t *results;
	uint64_t failed;
	...;
};
struct pyuring_files {
	struct pyuring_run run;
	bool adaptive;
	bool keeps_table;
	uint64_t count;
	const char *paths;
	uintptr_t results;
	uint64_t budget;
	uint32_t window;
	bool direct;
	uint64_t failed;
	...;
};

#define PYURING_RANGE_BAD_FILE ...
#define PYURING_RANGE_BAD_OFFSET ...
#define PYURING_RANGE_BAD_LENGTH ...
#define PYURING_RANGE_BEYOND_FILES ...
#define PYURING_RANGE_BEYOND_MEMORY ...
int64_t pyuring_run_go(struct pyuring *u, struct pyuring_run *run, int64_t taken_over);
int pyuring_run_stop(struct pyuring *u, struct pyuring_run *run);
bool pyuring_run_end(struct pyuring *u, struct pyuring_run *run);
void pyuring_run_ask_to_stop(struct pyuring_run *run);
bool pyuring_run_is_stopped(const struct pyuring_run *run);
int pyuring_ranges_check(struct pyuring *u, struct pyuring_ranges *r);
int pyuring_ranges_begin(struct pyuring *u, struct pyuring_ranges *r);
int pyuring_files_begin(struct pyuring *u, struct pyuring_files *f);
int pyuring_files_end(struct pyuring_files *f);
int pyuring_writes_begin(struct pyuring *u, struct pyuring_writes *w);
int pyuring_writes_end(struct pyuring_writes *w);

int64_t pyuring_bench_nop(uint32_t setup_flags, uint32_t batch, uint32_t rounds);
