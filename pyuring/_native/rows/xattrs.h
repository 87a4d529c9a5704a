/* Extended attributes: rows of operations.h. */
/* clang-format off */
OPERATION(getxattr, IORING_OP_GETXATTR, "5.19", (const char *name, char *value, const char *path, uint32_t size), NO_CHECK,
	io_uring_prep_getxattr(sqe, name, value, path, size))
FILE_OPERATION(fgetxattr, IORING_OP_FGETXATTR, "5.19", (const char *name, char *value, uint32_t size), NO_CHECK,
	io_uring_prep_fgetxattr(sqe, fd, name, value, size))
OPERATION(setxattr, IORING_OP_SETXATTR, "5.19", (const char *name, const char *value, const char *path, int xattr_flags, uint32_t size), NO_CHECK,
	io_uring_prep_setxattr(sqe, name, value, path, xattr_flags, size))
FILE_OPERATION(fsetxattr, IORING_OP_FSETXATTR, "5.19", (const char *name, const char *value, int xattr_flags, uint32_t size), NO_CHECK,
	io_uring_prep_fsetxattr(sqe, fd, name, value, xattr_flags, size))
/* clang-format on */
