/* Messages between rings, commands to drivers, buffers of the old kind: rows of operations.h. */
/* clang-format off */
FILE_OPERATION(msg_ring, IORING_OP_MSG_RING, "5.18", (uint64_t data, int32_t res, uint32_t message_flags, uint32_t cqe_flags), NO_CHECK,
	io_uring_prep_msg_ring(sqe, fd, (unsigned)res, data, message_flags), sqe->file_index = cqe_flags)
FILE_OPERATION(msg_ring_fd, IORING_OP_MSG_RING, "6.0", (int64_t source, uint32_t place_there, uint64_t data, uint32_t message_flags), CHECK_REGISTERED(source),
	io_uring_prep_msg_ring(sqe, fd, 0, data, message_flags), sqe->addr = IORING_MSG_SEND_FD,
	sqe->addr3 = source & PYURING_FILE_ANY, sqe->file_index = place_there)
FILE_OPERATION(uring_cmd, IORING_OP_URING_CMD, "5.19", (uint32_t cmd_op, const char *command, uint32_t size, uint64_t addr, uint32_t length, uint32_t file_index, void *buffer), CHECK_COMMAND(size, buffer),
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, (void *)(uintptr_t)addr, length, cmd_op), sqe->file_index = file_index,
	sqe->rw_flags = buffer ? IORING_URING_CMD_FIXED : 0, sqe->buf_index = buffer ? (uint16_t)BUFFER(buffer)->index : 0,
	pyuring_set_command(u, sqe, command, size))
OPERATION(provide_buffers, IORING_OP_PROVIDE_BUFFERS, "5.7", (void *address, uint32_t size, uint16_t count, uint16_t group_id, uint16_t first), NO_CHECK,
	io_uring_prep_provide_buffers(sqe, address, (int)size, count, group_id, first))
OPERATION(remove_buffers, IORING_OP_REMOVE_BUFFERS, "5.7", (uint16_t count, uint16_t group_id), NO_CHECK,
	io_uring_prep_remove_buffers(sqe, count, group_id))
OPERATION(nop_result, IORING_OP_NOP, "6.10", (int32_t res, uint32_t nop_flags, uint64_t extra1, uint64_t extra2), NO_CHECK,
	io_uring_prep_nop(sqe), sqe->len = (uint32_t)res, sqe->rw_flags = (int)nop_flags, sqe->off = extra1, sqe->addr = extra2)
/* clang-format on */
