/* Pipes, and moving data through them: rows of operations.h. The SQE's descriptor is where it goes. */
/* clang-format off */
OPERATION(pipe, PYURING_OP_PIPE, "6.16", (void *ends, uint32_t pipe_flags, int64_t direct), CHECK_DIRECT(direct),
	pyuring_sqe_pipe(sqe, ends, (uint32_t)CLOEXEC(pipe_flags, direct)), sqe->file_index = FILE_INDEX(direct))
FILE_OPERATION(splice, IORING_OP_SPLICE, "5.7", (int64_t source, int64_t length, int64_t offset_src, int64_t offset_dst, uint32_t splice_flags), CHECK_MOVE(source, length),
	io_uring_prep_splice(sqe, FD_OF(source), offset_src, fd, offset_dst, (unsigned)length, splice_flags | FD_IN_FIXED(source)))
FILE_OPERATION(tee, IORING_OP_TEE, "5.8", (int64_t source, int64_t length, uint32_t splice_flags), CHECK_MOVE(source, length),
	io_uring_prep_tee(sqe, FD_OF(source), fd, (unsigned)length, splice_flags | FD_IN_FIXED(source)))
/* clang-format on */
