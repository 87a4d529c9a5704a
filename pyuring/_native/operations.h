/* The operations: one row each, by domain in rows/. From a row come the C function pyuring_prep_<name>
 * (here) and its declaration for Python (build_liburing.py reads the rows).
 *
 *   OPERATION(name, opcode, since, (parameters), check, liburing call)
 *   FILE_OPERATION(name, opcode, since, (parameters), check, liburing call)
 *
 * A row bears the name of the Ring method it serves, and the first kernel that has the
 * operation. The function takes the ring, the tag (see ring.h), for a FILE_OPERATION also a
 * descriptor or the key of a registered file, then the row's parameters. In the
 * call, `sqe` is the SQE and `fd` the resolved descriptor; it may set `kind`, for an
 * operation with more than one CQE, and `group`, the provided buffers it takes from (then
 * sqe->flags and sqe->buf_group too). The check runs before the SQE is taken. What arguments point to must stay valid until the CQE: the
 * in-flight table holds it.
 */
#ifndef PYURING_OPERATIONS_H
#define PYURING_OPERATIONS_H

#include "groups.h"
#include "messages.h"
#include "prepare.h"
#include "targets.h"

/* A registered buffer, or a part of one. */
struct pyuring_buffer {
	void *address;
	uint32_t length;
	uint32_t index;
	const uint64_t *live; /* the table it is registered in; no table's number once it is not */
};

/* CFFI passes a void pointer 10 ns faster than one whose type it has to compare. */
#define BUFFER(buffer) ((const struct pyuring_buffer *)(buffer))

/* The checks. An offset of -1 is the file's own position. */
#define NO_CHECK 0
#define CHECK_OFFSET(offset) ((offset) < -1 ? PYURING_BAD_OFFSET : 0)
#define CHECK_LENGTH(length) ((length) < 0 || (length) > PYURING_MAX_LENGTH ? PYURING_BAD_LENGTH : 0)
#define CHECK_RANGE(length, offset) (CHECK_LENGTH(length) ? PYURING_BAD_LENGTH : CHECK_OFFSET(offset))
#define CHECK_BUFFER(buffer, offset) \
	(*BUFFER(buffer)->live != u->buffers_key ? PYURING_BAD_TABLE : CHECK_OFFSET(offset))

/* A descriptor of the process. */
#define CHECK_PLAIN(descriptor) ((descriptor) < 0 || (descriptor) > INT32_MAX ? PYURING_BAD_FD : 0)

/* The second descriptor of an operation that has two. */
#define CHECK_FILE(file) pyuring_resolve(u, file, &(struct pyuring_target){ -1, 0 })
#define IS_FIXED(file) (((file) >> PYURING_FILE_BIT) != 0)
#define FD_OF(file) ((int)((file) & (IS_FIXED(file) ? PYURING_FILE_ANY : INT32_MAX)))
#define FD_IN_FIXED(file) (IS_FIXED(file) ? SPLICE_F_FD_IN_FIXED : 0)
#define CHECK_MOVE(source, length) (CHECK_FILE(source) ? CHECK_FILE(source) : CHECK_LENGTH(length))
/* Kernels before 6.11 know only the field of 32 bits, and refuse the other one. */
#define SHORT_LENGTH(length) ((length) <= UINT32_MAX ? (uint32_t)(length) : 0)
#define LONG_LENGTH(length) ((length) <= UINT32_MAX ? 0 : (uint64_t)(length))

/* A multishot in a chain would hold up what follows for ever, and arming it again would
 * take it out of the chain. */
#define CHECK_ALONE (u->staging ? PYURING_NO_CHAIN : 0)
#define FIRST_OF(first, second) ((first) ? (first) : (second))
/* Provided buffers to take from. */
#define CHECK_GROUP(buffers) (pyuring_group_of(u, buffers) ? 0 : PYURING_BAD_TABLE)
/* The result is how long the message was then, and no longer tells what is in which buffers. */
#define CHECK_RECEIVED(msg_flags) ((msg_flags) & MSG_TRUNC ? PYURING_TRUNCATES : 0)
#define SELECT_FROM(buffers) \
	(group = (buffers), sqe->flags |= IOSQE_BUFFER_SELECT, sqe->buf_group = group->id)
/* `direct`: 0, or the key of the registered file to be made; all ones: the kernel picks one. */
#define CHECK_DIRECT(direct) \
	((direct) && ((direct) < 0 || (direct) >> PYURING_FILE_BITS != u->files_key) ? PYURING_BAD_TABLE : 0)
#define FILE_INDEX(direct)                                                                       \
	(!(direct) ? 0                                                                           \
		   : ((direct) & PYURING_FILE_ANY) == PYURING_FILE_ANY ? IORING_FILE_INDEX_ALLOC \
								       : (uint32_t)((direct) & PYURING_FILE_ANY) + 1)

/* Descriptors are made close-on-exec; the kernel refuses to hear of that for direct ones. */
#define CLOEXEC(flags, direct) ((direct) ? (int)(flags) & ~O_CLOEXEC : (int)(flags) | O_CLOEXEC)

static struct open_how *pyuring_how(void *memory, bool direct)
{
	struct open_how *how = memory;

	how->flags = direct ? how->flags & ~(uint64_t)O_CLOEXEC : how->flags | O_CLOEXEC;
	return how;
}

/* A registered file of this ring, where no other will do. */
#define CHECK_REGISTERED(file) ((file) < 0 || (file) >> PYURING_FILE_BITS != u->files_key ? PYURING_BAD_TABLE : 0)
#define CHECK_COMMAND(size, buffer)                                                       \
	((buffer) && *BUFFER(buffer)->live != u->buffers_key ? PYURING_BAD_TABLE          \
	 : (size) > pyuring_command_room(u)                   ? PYURING_BAD_COMMAND : 0)

/* What an IOPOLL ring takes; the kernel refuses the rest, with EINVAL and no word why. */
static inline bool pyuring_is_polled(int opcode)
{
	switch (opcode) {
	case IORING_OP_NOP:
	case IORING_OP_READ:
	case IORING_OP_WRITE:
	case IORING_OP_READV:
	case IORING_OP_WRITEV:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE_FIXED:
	case IORING_OP_FILES_UPDATE:
	case IORING_OP_PROVIDE_BUFFERS:
	case IORING_OP_REMOVE_BUFFERS:
	case IORING_OP_MSG_RING:
	case IORING_OP_URING_CMD:
	case PYURING_OP_READV_FIXED:
	case PYURING_OP_WRITEV_FIXED:
		return true;
	}
	return false;
}

/* Seconds, where NaN is no time either. */
#define CHECK_TIME(seconds) ((seconds) >= 0 && (seconds) < 0x1p63 / 1e9 ? 0 : PYURING_BAD_TIME)

#define POLL_FIRST(first) ((first) ? IORING_RECVSEND_POLL_FIRST : 0)

_Static_assert(O_CLOEXEC == SOCK_CLOEXEC, "one CLOEXEC() for both");

#define PYURING_PARAMETERS(...) __VA_OPT__(, ) __VA_ARGS__

#define PYURING_FUSED(opcode, resolve, check, ...)                                         \
	{                                                                                  \
		struct pyuring_target place = { -1, 0 };                                   \
		struct pyuring_group *group = NULL;                                        \
		unsigned kind = PYURING_ONCE;                                              \
		struct io_uring_sqe *sqe;                                                  \
		int error = resolve;                                                       \
                                                                                           \
		if (error == 0)                                                            \
			error = check;                                                     \
		if (!pyuring_is_polled(opcode) && u->ring.flags & IORING_SETUP_IOPOLL)     \
			error = PYURING_NOT_POLLED;                                        \
		if (error == 0)                                                            \
			error = pyuring_take(u, tag, &sqe);                                \
		if (error < 0)                                                             \
			return error;                                                      \
		const int fd = place.fd;                                                   \
		(void)fd;                                                                  \
		__VA_ARGS__;                                                               \
		pyuring_track(u, tag, place.flags, sqe, kind, group);                      \
		return 0;                                                                  \
	}

#define OPERATION(name, opcode, since, parameters, check, ...)                                        \
	static int pyuring_prep_##name(struct pyuring *u, int tag PYURING_PARAMETERS parameters)      \
	PYURING_FUSED(opcode, 0, check, __VA_ARGS__)

#define FILE_OPERATION(name, opcode, since, parameters, check, ...)                                            \
	static int pyuring_prep_##name(struct pyuring *u, int tag, int64_t file PYURING_PARAMETERS parameters) \
	PYURING_FUSED(opcode, pyuring_resolve(u, file, &place), check, __VA_ARGS__)

/* The operation that another one is about, by its slot: Python looks the slot up in the very
 * call, because at any other moment it may be another operation's already. 0 finds nothing. */
#define TARGET(slot) pyuring_id_of(u, (uint32_t)(slot))

#include "rows/commands.h"
#include "rows/control.h"
#include "rows/descriptors.h"
#include "rows/files.h"
#include "rows/messages.h"
#include "rows/multishots.h"
#include "rows/paths.h"
#include "rows/socket_options.h"
#include "rows/pipes.h"
#include "rows/sockets.h"
#include "rows/synchronisation.h"
#include "rows/transfers.h"
#include "rows/vectors.h"
#include "rows/xattrs.h"

#endif
