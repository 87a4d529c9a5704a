/* Operations with many results: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(accept_multishot, IORING_OP_ACCEPT, "5.19", (int accept_flags, int64_t direct), FIRST_OF(CHECK_ALONE, CHECK_DIRECT(direct)),
	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, CLOEXEC(accept_flags, direct)), sqe->file_index = FILE_INDEX(direct), kind = PYURING_MULTISHOT)
FILE_OPERATION(recv_multishot, IORING_OP_RECV, "6.0", (void *buffers, int msg_flags, bool bundle, bool empty_is_data), FIRST_OF(CHECK_ALONE, FIRST_OF(CHECK_GROUP(buffers), CHECK_RECEIVED(msg_flags))),
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, msg_flags), sqe->ioprio |= bundle ? PYURING_RECVSEND_BUNDLE : 0, SELECT_FROM(buffers),
	kind = PYURING_MULTISHOT | (empty_is_data ? PYURING_EMPTY_IS_DATA : 0))
FILE_OPERATION(recvmsg_multishot, IORING_OP_RECVMSG, "6.0", (void *buffers, void *message, int msg_flags, bool empty_is_data), FIRST_OF(CHECK_ALONE, FIRST_OF(CHECK_GROUP(buffers), CHECK_RECEIVED(msg_flags))),
	io_uring_prep_recvmsg_multishot(sqe, fd, (struct msghdr *)message, (unsigned)msg_flags), SELECT_FROM(buffers),
	kind = PYURING_MULTISHOT | (empty_is_data ? PYURING_EMPTY_IS_DATA : 0))
FILE_OPERATION(recv_zc, PYURING_OP_RECV_ZC, "6.15", (uint32_t queue, int64_t length), FIRST_OF(CHECK_ALONE, CHECK_LENGTH(length)),
	io_uring_prep_rw(PYURING_OP_RECV_ZC, sqe, fd, NULL, (unsigned)length, 0), sqe->file_index = queue, sqe->ioprio = IORING_RECV_MULTISHOT,
	kind = PYURING_MULTISHOT)
FILE_OPERATION(read_multishot, PYURING_OP_READ_MULTISHOT, "6.7", (void *buffers), FIRST_OF(CHECK_ALONE, CHECK_GROUP(buffers)),
	io_uring_prep_rw(PYURING_OP_READ_MULTISHOT, sqe, fd, NULL, 0, UINT64_MAX), SELECT_FROM(buffers), kind = PYURING_MULTISHOT)
FILE_OPERATION(poll_multishot, IORING_OP_POLL_ADD, "5.13", (uint32_t events), CHECK_ALONE,
	io_uring_prep_poll_multishot(sqe, fd, events), kind = PYURING_MULTISHOT)
OPERATION(timeout_multishot, IORING_OP_TIMEOUT, "6.4", (double seconds, uint32_t count), FIRST_OF(CHECK_ALONE, CHECK_TIME(seconds)),
	io_uring_prep_timeout(sqe, pyuring_time(u, tag, seconds), count, PYURING_TIMEOUT_MULTISHOT), kind = PYURING_MULTISHOT)

FILE_OPERATION(read_provided, IORING_OP_READ, "5.19", (void *buffers, int64_t length, uint32_t rw_flags, int64_t offset), FIRST_OF(CHECK_GROUP(buffers), CHECK_RANGE(length, offset)),
	io_uring_prep_read(sqe, fd, NULL, (unsigned)length, (uint64_t)offset), sqe->rw_flags = (__kernel_rwf_t)rw_flags, SELECT_FROM(buffers))
FILE_OPERATION(recv_provided, IORING_OP_RECV, "5.19", (void *buffers, int64_t length, int msg_flags, bool first, bool bundle), FIRST_OF(CHECK_GROUP(buffers), FIRST_OF(CHECK_LENGTH(length), CHECK_RECEIVED(msg_flags))),
	io_uring_prep_recv(sqe, fd, NULL, (size_t)length, msg_flags), sqe->ioprio |= POLL_FIRST(first) | (bundle ? PYURING_RECVSEND_BUNDLE : 0), SELECT_FROM(buffers))
/* clang-format on */
