/* Registered buffers and files, and what the kernel can tell about itself. */
#ifndef PYURING_REGISTERED_H
#define PYURING_REGISTERED_H

#include "ring.h"

/* `descriptors` may be NULL: `count` empty slots. `tags`, one for each, or NULL. */
static int64_t pyuring_register_files(struct pyuring *u, const int *descriptors, const uint64_t *tags, uint32_t count)
{
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->table_user)
		return -EBUSY;
	if (u->table) { /* what runs left there for the next one */
		pyuring_settle(u);
		io_uring_unregister_files(&u->ring);
		u->table = 0;
	}
	if (!descriptors)
		error = io_uring_register_files_sparse(&u->ring, count);
	else if (tags)
		error = io_uring_register_files_tags(&u->ring, descriptors, (const __u64 *)tags, count);
	else
		error = io_uring_register_files(&u->ring, descriptors, count);
	if (error < 0)
		return error;
	u->files_key = PYURING_FILE_TABLE | ++pyuring_tables;
	return u->files_key;
}

static int pyuring_update_files(struct pyuring *u, uint32_t index, const int *descriptors, const uint64_t *tags,
				uint32_t count)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	pyuring_settle(u);
	if (tags)
		return io_uring_register_files_update_tag(&u->ring, index, descriptors, (const __u64 *)tags, count);
	return io_uring_register_files_update(&u->ring, index, descriptors, count);
}

static int pyuring_alloc_files_in(struct pyuring *u, uint32_t offset, uint32_t length)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	return io_uring_register_file_alloc_range(&u->ring, offset, length);
}

static int pyuring_unregister_files(struct pyuring *u)
{
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->table)
		return -ENXIO; /* these are not Python's */
	pyuring_settle(u);
	error = io_uring_unregister_files(&u->ring);
	if (error == 0)
		u->files_key = 0;
	return error;
}

/* `vectors` may be NULL: `count` empty slots. `tags`, one for each, or NULL. */
static int64_t pyuring_register_buffers(struct pyuring *u, const struct iovec *vectors, const uint64_t *tags,
					uint32_t count)
{
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (!vectors)
		error = io_uring_register_buffers_sparse(&u->ring, count);
	else if (tags)
		error = io_uring_register_buffers_tags(&u->ring, vectors, (const __u64 *)tags, count);
	else
		error = io_uring_register_buffers(&u->ring, vectors, count);
	if (error < 0)
		return error;
	u->buffers_key = ++pyuring_tables;
	return (int64_t)u->buffers_key;
}

static int pyuring_update_buffer(struct pyuring *u, uint32_t index, const struct iovec *vector, uint64_t tag)
{
	__u64 number = tag;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	pyuring_settle(u);
	return io_uring_register_buffers_update_tag(&u->ring, index, vector, &number, 1);
}

/* Share the registered buffers of the ring with descriptor `source`. */
static int64_t pyuring_clone_buffers(struct pyuring *u, int source)
{
	struct pyuring_clone clone = { .src_fd = (uint32_t)source };
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	error = pyuring_register(u, PYURING_REGISTER_CLONE_BUFFERS, &clone, 1);
	if (error < 0)
		return error;
	u->buffers_key = ++pyuring_tables;
	return (int64_t)u->buffers_key;
}

static int pyuring_unregister_buffers(struct pyuring *u)
{
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	pyuring_settle(u);
	error = io_uring_unregister_buffers(&u->ring);
	if (error == 0)
		u->buffers_key = 0;
	return error;
}

/* The address family of a socket, or -errno. */
static int pyuring_socket_family(int fd)
{
	int family;
	socklen_t size = sizeof(family);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ? -errno : family;
}

/* The type of a socket, or -errno. */
static int pyuring_socket_type(int fd)
{
	int type;
	socklen_t size = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ? -errno : type;
}

#define PYURING_PROBE_OPCODES 256

/* One byte per opcode: 1 where the kernel has it. */
static int pyuring_probe(struct pyuring *u, uint8_t supported[PYURING_PROBE_OPCODES])
{
	struct {
		struct io_uring_probe probe;
		struct io_uring_probe_op ops[PYURING_PROBE_OPCODES];
	} kernel;
	int error, i;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	memset(&kernel, 0, sizeof(kernel));
	error = io_uring_register_probe(&u->ring, &kernel.probe, PYURING_PROBE_OPCODES);
	for (i = 0; error >= 0 && i < kernel.probe.ops_len; i++)
		supported[kernel.ops[i].op] = kernel.ops[i].flags & IO_URING_OP_SUPPORTED ? 1 : 0;
	return error;
}

#endif
