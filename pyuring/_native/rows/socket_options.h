/* Commands for sockets, all of them IORING_OP_URING_CMD: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(siocinq, IORING_OP_URING_CMD, "6.7", (), NO_CHECK,
	pyuring_sqe_socket_command(sqe, fd, PYURING_SOCKET_SIOCINQ))
FILE_OPERATION(siocoutq, IORING_OP_URING_CMD, "6.7", (), NO_CHECK,
	pyuring_sqe_socket_command(sqe, fd, PYURING_SOCKET_SIOCOUTQ))
FILE_OPERATION(getsockopt, IORING_OP_URING_CMD, "6.7", (int level, int optname, void *value, uint32_t length), NO_CHECK,
	pyuring_sqe_socket_option(sqe, fd, PYURING_SOCKET_GETSOCKOPT, level, optname, value, length))
FILE_OPERATION(setsockopt, IORING_OP_URING_CMD, "6.7", (int level, int optname, const void *value, uint32_t length), NO_CHECK,
	pyuring_sqe_socket_option(sqe, fd, PYURING_SOCKET_SETSOCKOPT, level, optname, value, length))
FILE_OPERATION(getsockname, IORING_OP_URING_CMD, "6.19", (void *address, bool peer), NO_CHECK,
	pyuring_sqe_getsockname(sqe, fd, pyuring_room(address), pyuring_room_length(address), peer))
/* clang-format on */
