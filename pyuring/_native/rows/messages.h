/* Messages with addresses and ancillary data: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(sendmsg, IORING_OP_SENDMSG, "5.3", (void *message, struct iovec *vectors, uint32_t count, const char *name, uint32_t namelen, const char *control, uint64_t controllen, int msg_flags, bool first), NO_CHECK,
	io_uring_prep_sendmsg(sqe, fd, pyuring_outgoing(message, vectors, count, name, namelen, control, controllen), (unsigned)msg_flags),
	sqe->ioprio = POLL_FIRST(first))
FILE_OPERATION(recvmsg, IORING_OP_RECVMSG, "5.3", (void *buffer, int64_t length, void *message, void *control, uint64_t controllen, int msg_flags, bool first), CHECK_LENGTH(length),
	io_uring_prep_recvmsg(sqe, fd, pyuring_incoming_one(message, buffer, length, control, controllen), (unsigned)msg_flags),
	sqe->ioprio = POLL_FIRST(first))
FILE_OPERATION(recvmsg_into, IORING_OP_RECVMSG, "5.3", (struct iovec *vectors, uint32_t count, void *message, void *control, uint64_t controllen, int msg_flags, bool first), NO_CHECK,
	io_uring_prep_recvmsg(sqe, fd, pyuring_incoming(message, vectors, count, control, controllen), (unsigned)msg_flags),
	sqe->ioprio = POLL_FIRST(first))
FILE_OPERATION(send_zc, IORING_OP_SEND_ZC, "6.0", (const void *buffer, int64_t length, int msg_flags, uint32_t how, const char *address, uint32_t address_length), CHECK_LENGTH(length),
	io_uring_prep_send_zc(sqe, fd, (void *)buffer, (size_t)length, msg_flags, how),
	io_uring_prep_send_set_addr(sqe, (const struct sockaddr *)(address_length ? address : NULL), (uint16_t)address_length),
	kind = PYURING_WITH_NOTIFICATION)
FILE_OPERATION(send_zc_fixed, IORING_OP_SEND_ZC, "6.0", (void *buffer, int msg_flags, uint32_t how, const char *address, uint32_t address_length), CHECK_BUFFER(buffer, 0),
	io_uring_prep_send_zc_fixed(sqe, fd, BUFFER(buffer)->address, BUFFER(buffer)->length, msg_flags, how, BUFFER(buffer)->index),
	io_uring_prep_send_set_addr(sqe, (const struct sockaddr *)(address_length ? address : NULL), (uint16_t)address_length),
	kind = PYURING_WITH_NOTIFICATION)
FILE_OPERATION(sendmsg_zc, IORING_OP_SENDMSG_ZC, "6.1", (void *message, struct iovec *vectors, uint32_t count, const char *name, uint32_t namelen, const char *control, uint64_t controllen, int msg_flags, uint32_t how), NO_CHECK,
	io_uring_prep_sendmsg_zc(sqe, fd, pyuring_outgoing(message, vectors, count, name, namelen, control, controllen), (unsigned)msg_flags),
	sqe->ioprio = (uint16_t)how, kind = PYURING_WITH_NOTIFICATION)
FILE_OPERATION(sendmsg_zc_fixed, IORING_OP_SENDMSG_ZC, "6.15", (void *message, struct iovec *vectors, uint32_t count, const char *name, uint32_t namelen, const char *control, uint64_t controllen, int msg_flags, uint32_t how, void *buffer), CHECK_BUFFER(buffer, 0),
	io_uring_prep_sendmsg_zc(sqe, fd, pyuring_outgoing(message, vectors, count, name, namelen, control, controllen), (unsigned)msg_flags),
	sqe->ioprio = (uint16_t)(how | IORING_RECVSEND_FIXED_BUF), sqe->buf_index = (uint16_t)BUFFER(buffer)->index, kind = PYURING_WITH_NOTIFICATION)
/* clang-format on */
