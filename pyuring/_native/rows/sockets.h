/* Sockets: rows of operations.h. */
/* clang-format off */
OPERATION(socket, IORING_OP_SOCKET, "5.19", (int family, int type, int protocol), NO_CHECK,
	io_uring_prep_socket(sqe, family, type, protocol, 0))
FILE_OPERATION(accept, IORING_OP_ACCEPT, "5.5", (struct sockaddr *address, socklen_t *length, int accept_flags), NO_CHECK,
	io_uring_prep_accept(sqe, fd, address, length, accept_flags))
FILE_OPERATION(connect, IORING_OP_CONNECT, "5.5", (const char *address, uint32_t length), NO_CHECK,
	io_uring_prep_connect(sqe, fd, (const struct sockaddr *)address, length))
FILE_OPERATION(send, IORING_OP_SEND, "5.6", (const void *buffer, int64_t length, int msg_flags), CHECK_LENGTH(length),
	io_uring_prep_send(sqe, fd, buffer, (size_t)length, msg_flags))
FILE_OPERATION(recv, IORING_OP_RECV, "5.6", (void *buffer, int64_t length, int msg_flags), CHECK_LENGTH(length),
	io_uring_prep_recv(sqe, fd, buffer, (size_t)length, msg_flags))
FILE_OPERATION(shutdown, IORING_OP_SHUTDOWN, "5.11", (int how), NO_CHECK,
	io_uring_prep_shutdown(sqe, fd, how))
/* clang-format on */
