/* The state of a ring, and the numbers that C and Python agree on. */
#ifndef PYURING_STATE_H
#define PYURING_STATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "abi.h"
#include "compat.h"

/* Refusals that are no errno: beyond the kernel's range of -1 to -4095. */
enum {
	PYURING_NOT_YOURS = -5001,      /* closed, another thread's, or from before a fork */
	PYURING_NO_ROOM = -5002,        /* in flight is at its limit: reap first */
	PYURING_BAD_SLOT = -5003,       /* the slot is taken or does not exist */
	PYURING_BAD_FD = -5004,         /* negative, or more than a C int */
	PYURING_BAD_TABLE = -5005,      /* registered elsewhere, or unregistered since */
	PYURING_BAD_OFFSET = -5006,     /* below -1 */
	PYURING_BAD_LENGTH = -5007,     /* more than one SQE transfers */
	PYURING_CHAIN_TOO_LONG = -5008, /* more SQEs than the SQ holds */
	PYURING_IN_CHAIN = -5009,       /* not while a chain is open */
	PYURING_EXHAUSTED = -5010,      /* all user_data ids were used once */
	PYURING_STARVED = -5011,        /* all that is in flight waits for buffers that are lent */
	PYURING_NO_CHAIN = -5012,       /* a multishot operation cannot be linked */
	PYURING_NOT_POLLED = -5013,     /* an IOPOLL ring has no such operation */
	PYURING_TRUNCATES = -5014,      /* MSG_TRUNC with provided buffers */
	PYURING_BAD_FUTEX = -5030,      /* not four aligned bytes of the buffer */
	PYURING_BAD_COMMAND = -5031,    /* more bytes of command than an SQE has */
	PYURING_BAD_TIME = -5032,       /* negative, or too long for 64 bits of nanoseconds */
	PYURING_BAD_PAGES = -5033,      /* memory that does not start with a page */
};

/* user_data: 0000 | counter | slot for an operation. Bit 63 marks what pyuring sends
 * for itself, with the id of the operation it is about: its link timeout, or, with
 * bit 62 too, a request to cancel it (0: to cancel everything). Bit 61 marks a message
 * from a ring, bit 60 a resource that the kernel has let go of. Bits 63 and 61 together
 * mark what belongs to a run, see run.h. A counter is used once, so a late cancel never
 * meets a newer operation. */
#define PYURING_INTERNAL (UINT64_C(1) << 63)
#define PYURING_CANCEL (UINT64_C(1) << 62)
#define PYURING_MESSAGE (UINT64_C(1) << 61)
#define PYURING_RELEASED (UINT64_C(1) << 60)
#define PYURING_ID_BITS 60
#define PYURING_RUN (PYURING_INTERNAL | PYURING_MESSAGE) /* number of the run << KEY_BITS | key */
#define PYURING_RUN_KEY_BITS 20

/* `tag`, the argument every prepared operation starts with. */
#define PYURING_TAG_SLOT 0xfffffu
#define PYURING_TAG_TIMED (1u << 20) /* a link timeout armed for this slot follows */
#define PYURING_TAG_RW (1u << 21)    /* RWF_* flags were noted for this slot */
#define PYURING_TAG_FLAGS 24         /* IOSQE_* from this bit on */

/* What pyuring_enter() returns besides the number of completions. A mixed batch has more
 * than one-shot operations in it; see completions.h. */
#define PYURING_BATCH_HAS_FLAGS (1 << 30)
#define PYURING_BATCH_IS_MIXED (INT64_C(1) << 31)
/* In a batch's slots: not the last CQE of that slot; or no slot at all, but a message or
 * a released resource, whose number is in batch_places. */
#define PYURING_PART (1 << 30)
#define PYURING_NO_SLOT (1 << 29)
/* In a batch's flags, above the 32 bits of the CQE. */
#define PYURING_TIMED_OUT (UINT64_C(1) << 32)
#define PYURING_NOTIFIED (UINT64_C(1) << 33) /* no result: a zero-copy buffer is free again */
#define PYURING_COPIED (UINT64_C(1) << 34)   /* the kernel copied it after all */

/* A registered file is passed as (table key << 24) | index, with bit 59 set to differ
 * from any descriptor (and no higher one: Python's numbers get slower from 2**60 on).
 * A table's serial number is never given twice. */
#define PYURING_FILE_BITS 24
#define PYURING_FILE_ANY ((INT64_C(1) << PYURING_FILE_BITS) - 1)
#define PYURING_FILE_BIT 59
#define PYURING_FILE_TABLE (INT64_C(1) << (PYURING_FILE_BIT - PYURING_FILE_BITS))

#define PYURING_MAX_LENGTH INT32_MAX /* res is a signed 32-bit number */

/* How many CQEs an operation posts. */
enum {
	PYURING_ONCE = 0,
	PYURING_WITH_NOTIFICATION = 1, /* zero copy: the result, then F_NOTIF */
	PYURING_MULTISHOT = 2,         /* any number, until one lacks F_MORE */
	PYURING_EMPTY_IS_DATA = 4,     /* a multishot whose result of 0 is not its end */
};

/* Provided buffers, see groups.h. All of it is Python's memory, which may read it when the
 * ring is gone: where a bundle's data is, in buffers that are lent, does not change. */
struct pyuring_provided {
	uint32_t length; /* as much of it as the kernel uses */
	uint32_t used;   /* bytes of it that CQEs have told of */
	uint16_t next;   /* published right after it */
	uint16_t entry;  /* its place in the ring */
	uint32_t leases; /* CQEs whose part of it is not given back */
	bool ended;      /* the kernel takes no more of it */
};

struct pyuring_group {
	struct pyuring_group *next;
	struct io_uring_buf_ring *ring; /* count entries */
	char *slab;                     /* count times size bytes */
	struct pyuring_provided *buffers;
	uint32_t count;
	uint32_t size;
	uint32_t published;    /* in the ring, as far as CQEs have told */
	uint32_t publications; /* how often one was published, ever */
	uint32_t leases;
	uint16_t id;
	uint16_t last; /* published last */
	bool incremental;
};

struct pyuring_slot {
	uint64_t id; /* user_data of the operation that occupies it, 0 = free */
	struct pyuring_group *group; /* of provided buffers, or NULL */
	uint32_t flags; /* of its CQE; until it is prepared, RWF_* for PYURING_TAG_RW */
	int32_t res;
	uint64_t extra[2];    /* of its CQE, where that has 32 bytes */
	uint32_t start;       /* of what it brought, in a provided buffer */
	uint32_t seen;        /* what its group had published when a multishot was armed */
	uint8_t parts;        /* CQEs still to come before it has its result */
	uint8_t cancels_left; /* how often to ask again at once */
	bool plain;           /* the next CQE is its only one, and all there is to it */
	uint8_t kind;
	uint8_t ended_at_once; /* how often in a row the first CQE of a multishot was the last */
	/* Together, because they are cleared together. */
	bool timed_out;
	bool cancel_again; /* a request to cancel it missed it */
	bool notification; /* a zero-copy operation has yet to post it */
	bool copied;
	bool answered; /* its result was given, its notification was not */
	bool went_on;  /* a multishot that has posted something since it was armed */
	bool stopped;  /* a multishot that is not to be armed again */
	bool starving; /* a multishot that is not armed: no buffers are left */
	bool unarmed;  /* one that is not armed because the SQ was full */
};

struct pyuring {
	uint64_t owner; /* token of the owning thread, 0 = no ring here */
	struct io_uring ring;

	/* In flight: prepared or submitted, CQE not yet reaped. */
	struct pyuring_slot *slots;
	struct __kernel_timespec *timeouts; /* by slot; SQPOLL reads them late */
	uint64_t counter;
	bool cancels_missed; /* some slot has cancel_again set, and is worth asking again */
	bool cancels_wait;   /* some has, and is so once another operation is complete */
	bool has_multishots; /* a multishot was prepared, ever */
	bool has_drains;     /* an operation with IOSQE_IO_DRAIN was prepared, ever */
	uint32_t slot_bits;
	uint32_t limit;     /* CQ entries: in flight never exceeds them */
	uint32_t in_flight; /* operations that have yet to give a result, or their last one */
	uint32_t notifying; /* operations that gave it, whose memory is still in use */
	uint32_t expected;  /* CQEs they will post, a multishot counting for one */
	uint32_t starving;  /* multishots that wait for buffers */
	bool tells_nothing; /* about completions that wait for the kernel to be entered */
	bool expects_messages; /* of other rings: a wait may be for more than is in flight */
	bool unarmed;       /* some multishot has yet to be armed again */
	bool stopped;       /* some multishot has ended without a CQE */
	struct io_uring_sqe *armed; /* by slot, what a multishot was armed with */
	struct pyuring_group *groups;
	struct pyuring_run *runs; /* that are going on, the innermost first */
	uint16_t personality; /* for the operations prepared next, 0 = the thread's own */

	/* The chain being staged by link(). */
	struct io_uring_sqe *stage;
	uint32_t staged;
	bool staging;

	/* Reaped, kept until Python has taken it over: see completions.h. The arrays have
	 * `limit` items and are Python's, which may read them when the ring is gone. */
	int32_t *batch_slots;
	int32_t *batch_res;
	uint64_t *batch_flags;
	uint64_t *batch_places; /* offset in a provided buffer, or the number of a message */
	uint64_t *batch_extra;  /* two words for each, of CQEs of 32 bytes; or NULL */
	uint32_t batch_size;
	bool batch_has_flags;
	bool batch_is_mixed;
	int64_t batch_number;

	int enter_fd;                      /* for io_uring_enter: the descriptor, or what stands for it */
	unsigned enter_flags;              /* IORING_ENTER_*: what enter_fd is, and how to wait */
	uint32_t min_wait_us;              /* then a wait for several CQEs is content with one; 0 = never */
	int64_t gather_until;              /* the end of that time for a wait that is going on, or 0 */
	bool gathered;                     /* the last wait was as long as that */
	struct pyuring_reg_wait *reg_wait; /* the argument of timed waits, where that is registered */
	bool disabled;                     /* until pyuring_enable() */
	unsigned required;                 /* IOSQE_*: what a restricted ring wants in every SQE */

	int64_t files_key;    /* of the registered file table, 0 = none */
	uint64_t buffers_key; /* of the registered buffers, 0 = none */

	uint64_t submitted;  /* SQEs the kernel has taken */
	uint64_t completed;  /* operations reaped */
	uint64_t enters;     /* io_uring_enter calls */
	uint64_t sq_full;    /* times the SQ was full and submitted early */
	uint64_t overflows;  /* times the kernel held CQEs back */
	uint64_t unexpected; /* CQEs that belong to no operation here */
	uint64_t starved;    /* times a multishot ended for lack of buffers */
	uint64_t rearmed;    /* times a multishot was armed again */
};

#endif
