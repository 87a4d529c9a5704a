/* What operations on sockets point to: addresses and message headers, each one allocation.
 *
 * The header is the kernel's struct user_msghdr. A C library may declare its own with other
 * types and padding, and Python then could not read it without knowing which.
 */
#ifndef PYURING_MESSAGES_H
#define PYURING_MESSAGES_H

#include "compat.h"

#define PYURING_LONGEST_ADDRESS 128 /* struct sockaddr_storage */

/* Room for the kernel to write an address into. */
struct pyuring_address {
	char room[PYURING_LONGEST_ADDRESS];
	socklen_t length;
};

struct pyuring_message {
	void *name;
	int namelen;
	struct iovec *vectors;
	size_t count;
	void *control;
	size_t controllen;
	unsigned flags;
	/* What the header of most messages points to. */
	struct iovec vector;
	char room[PYURING_LONGEST_ADDRESS];
};

_Static_assert(offsetof(struct pyuring_message, vectors) == 2 * sizeof(void *), "struct user_msghdr: msg_iov");
_Static_assert(offsetof(struct pyuring_message, flags) == 6 * sizeof(void *), "struct user_msghdr: msg_flags");

static inline struct sockaddr *pyuring_room(void *address)
{
	((struct pyuring_address *)address)->length = PYURING_LONGEST_ADDRESS;
	return (struct sockaddr *)((struct pyuring_address *)address)->room;
}

static inline socklen_t *pyuring_room_length(void *address)
{
	return &((struct pyuring_address *)address)->length;
}

/* The header of a message to be sent, of what the operation's arguments point to. */
static inline struct msghdr *pyuring_outgoing(void *memory, struct iovec *vectors, uint32_t count, const char *name,
					      uint32_t namelen, const char *control, uint64_t controllen)
{
	struct pyuring_message *message = memory;

	message->name = namelen ? (void *)name : NULL;
	message->namelen = (int)namelen;
	message->vectors = vectors;
	message->count = count;
	message->control = controllen ? (void *)control : NULL;
	message->controllen = (size_t)controllen;
	return (struct msghdr *)message;
}

/* The header of a message to be received into `vectors`, or into one buffer. */
static inline struct msghdr *pyuring_incoming(void *memory, struct iovec *vectors, uint32_t count, void *control,
					      uint64_t controllen)
{
	struct pyuring_message *message = memory;

	message->name = message->room;
	message->namelen = PYURING_LONGEST_ADDRESS;
	message->vectors = vectors;
	message->count = count;
	message->control = controllen ? control : NULL;
	message->controllen = (size_t)controllen;
	return (struct msghdr *)message;
}

static inline struct msghdr *pyuring_incoming_one(void *memory, void *buffer, int64_t length, void *control,
						  uint64_t controllen)
{
	struct pyuring_message *message = memory;

	message->vector.iov_base = buffer;
	message->vector.iov_len = (size_t)length;
	return pyuring_incoming(memory, &message->vector, 1, control, controllen);
}

/* A command for a socket. Headers of 2.3 lack the names of these fields. */
static inline void pyuring_sqe_socket_command(struct io_uring_sqe *sqe, int fd, unsigned command)
{
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = command;
}

static inline void pyuring_sqe_socket_option(struct io_uring_sqe *sqe, int fd, unsigned command, int level, int optname,
					     const void *value, uint32_t length)
{
	const int32_t option[2] = { level, optname };

	pyuring_sqe_socket_command(sqe, fd, command);
	memcpy(&sqe->addr, option, sizeof(option)); /* level and optname */
	sqe->file_index = length;                   /* optlen */
	sqe->addr3 = (uintptr_t)value;              /* optval */
}

static inline void pyuring_sqe_getsockname(struct io_uring_sqe *sqe, int fd, struct sockaddr *address,
					   socklen_t *length, int peer)
{
	pyuring_sqe_socket_command(sqe, fd, PYURING_SOCKET_GETSOCKNAME);
	sqe->addr = (uintptr_t)address;
	sqe->addr3 = (uintptr_t)length;
	sqe->file_index = (uint32_t)peer; /* optlen */
}

#endif
