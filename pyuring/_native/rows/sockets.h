/* Sockets: rows of operations.h. `first` is to wait for readiness before trying. */
/* clang-format off */
OPERATION(socket, IORING_OP_SOCKET, "5.19", (int family, int type, int protocol, int64_t direct), CHECK_DIRECT(direct),
	io_uring_prep_socket(sqe, family, CLOEXEC(type, direct), protocol, 0),
	sqe->file_index = FILE_INDEX(direct))
FILE_OPERATION(bind, PYURING_OP_BIND, "6.11", (const char *address, uint32_t length), NO_CHECK,
	io_uring_prep_rw(PYURING_OP_BIND, sqe, fd, address, 0, length))
FILE_OPERATION(listen, PYURING_OP_LISTEN, "6.11", (int backlog), NO_CHECK,
	io_uring_prep_rw(PYURING_OP_LISTEN, sqe, fd, NULL, (uint32_t)backlog, 0))
FILE_OPERATION(accept, IORING_OP_ACCEPT, "5.5", (void *peer, int accept_flags, uint32_t how, int64_t direct), CHECK_DIRECT(direct),
	io_uring_prep_accept(sqe, fd, pyuring_room(peer), pyuring_room_length(peer), CLOEXEC(accept_flags, direct)),
	sqe->ioprio = (uint16_t)how, sqe->file_index = FILE_INDEX(direct))
FILE_OPERATION(connect, IORING_OP_CONNECT, "5.5", (const char *address, uint32_t length), NO_CHECK,
	io_uring_prep_connect(sqe, fd, (const struct sockaddr *)address, length))
FILE_OPERATION(send, IORING_OP_SEND, "5.6", (const void *buffer, int64_t length, int msg_flags, bool first), CHECK_LENGTH(length),
	io_uring_prep_send(sqe, fd, buffer, (size_t)length, msg_flags),
	sqe->ioprio = POLL_FIRST(first))
FILE_OPERATION(sendto, IORING_OP_SEND, "6.1", (const void *buffer, int64_t length, int msg_flags, bool first, const char *address, uint32_t address_length), CHECK_LENGTH(length),
	io_uring_prep_send(sqe, fd, buffer, (size_t)length, msg_flags),
	io_uring_prep_send_set_addr(sqe, (const struct sockaddr *)address, (uint16_t)address_length),
	sqe->ioprio = POLL_FIRST(first))
FILE_OPERATION(recv, IORING_OP_RECV, "5.6", (void *buffer, int64_t length, int msg_flags, bool first), CHECK_LENGTH(length),
	io_uring_prep_recv(sqe, fd, buffer, (size_t)length, msg_flags),
	sqe->ioprio = POLL_FIRST(first))
FILE_OPERATION(shutdown, IORING_OP_SHUTDOWN, "5.11", (int how), NO_CHECK,
	io_uring_prep_shutdown(sqe, fd, how))
/* clang-format on */
