/* The steps of reading a file: what is prepared for it, and what its CQEs come to. Part of
 * files.h. */

static void pyuring_file_failed(struct pyuring_files *f, struct pyuring_file *file, int32_t res)
{
	file->error = res;
	pyuring_file_now(f, file, PYURING_FILE_DONE);
}

/* How many files are begun and not done. */
static uint32_t pyuring_files_busy(const struct pyuring_files *f)
{
	return f->run.depth - f->idle_count - f->ready_count;
}

static void pyuring_file_not_opened(struct pyuring_files *f, struct pyuring_file *file, int32_t res)
{
	uint32_t others = pyuring_files_busy(f) - f->unopened_count - 1;

	if (res == -EINTR && !f->run.stopped)
		pyuring_file_now(f, file, PYURING_FILE_OPEN);
	else if ((res == -EMFILE || res == -ENFILE) && others && !f->run.stopped) {
		/* There are fewer descriptors than we thought: wait for one of ours. */
		f->window = others;
		f->adaptive = false;
		file->next = PYURING_FILE_OPEN;
		f->unopened[f->unopened_count++] = (uint32_t)(file - f->places);
	} else
		pyuring_file_failed(f, file, res);
}

/* All that was in flight for `file` is complete: what it came to. */
static void pyuring_file_settle(struct pyuring_files *f, struct pyuring_file *file, uint8_t steps)
{
	const int32_t *res = file->res;

	if (steps & 1 << PYURING_STEP_OPEN) {
		if (res[PYURING_STEP_OPEN] < 0) {
			pyuring_file_not_opened(f, file, res[PYURING_STEP_OPEN]);
			return;
		}
		if (!f->direct)
			file->fd = res[PYURING_STEP_OPEN];
	}
	if (steps == 1 << PYURING_STEP_OPEN)
		pyuring_file_now(f, file, PYURING_FILE_LOOK);
	else if (steps & 1 << PYURING_STEP_GUARD && res[PYURING_STEP_GUARD] < 0)
		pyuring_file_failed(f, file, res[PYURING_STEP_GUARD]);
	else if (!(steps & 1 << PYURING_STEP_READ))
		pyuring_file_now(f, file, PYURING_FILE_READ);
	else if (res[PYURING_STEP_READ] == -EINTR && !f->run.stopped)
		pyuring_file_now(f, file, PYURING_FILE_READ);
	else if (res[PYURING_STEP_READ] < 0)
		pyuring_file_failed(f, file, res[PYURING_STEP_READ]);
	else if (res[PYURING_STEP_READ] == 0)
		pyuring_file_now(f, file, PYURING_FILE_DONE);
	else {
		bool is_short = res[PYURING_STEP_READ] < (int32_t)(file->room - 1);

		if (file->done == file->room)
			file->spilled = (uint64_t)res[PYURING_STEP_READ];
		file->done += (uint64_t)res[PYURING_STEP_READ];
		if (steps & 1 << PYURING_STEP_PROOF && res[PYURING_STEP_PROOF] == 1) {
			/* It is at the end of the memory, which the read before may not have reached. */
			file->memory[file->done++] = file->memory[file->room - 1];
			file->doubtful = is_short;
		}
		/* Where the proof failed, a read of more than a byte decides. */
		pyuring_file_now(f, file, steps & 1 << PYURING_STEP_PROOF && res[PYURING_STEP_PROOF] == 0
						  ? PYURING_FILE_DONE
						  : PYURING_FILE_READ);
	}
}

static void pyuring_files_complete(struct pyuring *u, struct pyuring_run *run, uint32_t key,
				   const struct io_uring_cqe *cqe)
{
	struct pyuring_files *f = (struct pyuring_files *)run;
	struct pyuring_file *file = &f->places[key / PYURING_STEPS];

	(void)u;
	file->res[key % PYURING_STEPS] = cqe->res;
	file->busy &= (uint8_t) ~(1 << key % PYURING_STEPS);
	/* The steps that were prepared are in the high half. */
	if ((file->busy & 0xf) == 0) {
		uint8_t steps = file->busy >> 4;

		file->busy = 0;
		pyuring_file_settle(f, file, steps);
	}
}

static bool pyuring_files_is_busy(const struct pyuring_run *run, uint32_t key)
{
	const struct pyuring_files *f = (const struct pyuring_files *)run;

	return f->places[key / PYURING_STEPS].busy & 1 << key % PYURING_STEPS;
}

static void pyuring_file_add(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file,
			     struct io_uring_sqe *sqe, unsigned step, unsigned flags)
{
	file->busy |= (uint8_t)(0x11 << step);
	if (f->direct && step != PYURING_STEP_OPEN)
		flags |= IOSQE_FIXED_FILE;
	pyuring_run_track(u, &f->run, sqe, (uint32_t)(file - f->places) * PYURING_STEPS + step, flags);
}

static void pyuring_file_add_open(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file, unsigned flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	uint32_t place = (uint32_t)(file - f->places);
	/* A pipe is not to be waited for, and a terminal not to become ours. */
	int mode = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_LARGEFILE;

	if (f->direct)
		io_uring_prep_openat_direct(sqe, AT_FDCWD, file->path, mode, 0, place);
	else
		io_uring_prep_openat(sqe, AT_FDCWD, file->path, mode | O_CLOEXEC, 0);
	if (place >= f->opened)
		f->opened = place + 1;
	pyuring_file_add(u, f, file, sqe, PYURING_STEP_OPEN, flags);
}

/* Read up to `length` bytes at `offset`, or, if that is -1, where the last such read ended. */
static void pyuring_file_add_read(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file, unsigned step,
				  char *memory, uint64_t length, uint64_t offset, unsigned flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	int fd = f->direct ? (int)(file - f->places) : file->fd;

	if (length > PYURING_FILE_PIECE)
		length = PYURING_FILE_PIECE;
	io_uring_prep_read(sqe, fd, memory, (unsigned)length, offset);
	f->unsubmitted += length;
	pyuring_file_add(u, f, file, sqe, step, flags);
}

/* What follows the opening. */
static void pyuring_file_add_look(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	int fd = f->direct ? (int)(file - f->places) : file->fd;

	io_uring_prep_fadvise(sqe, fd, 0, 0, POSIX_FADV_NORMAL);
	pyuring_file_add(u, f, file, sqe, PYURING_STEP_GUARD, f->chained ? IOSQE_IO_LINK : 0);
	if (!f->chained)
		return;
	/* Hard, because a soft link takes a short read for a failure. */
	pyuring_file_add_read(u, f, file, PYURING_STEP_READ, file->memory, file->room - 1, UINT64_MAX, IOSQE_IO_HARDLINK);
	pyuring_file_add_read(u, f, file, PYURING_STEP_PROOF, file->memory + file->room - 1, 1, UINT64_MAX, 0);
}

/* A read that met an error, or the end of what there was, after its first bytes may not have
 * moved the file's position (6.18), and then the byte that was read next is not the next. A
 * file can be asked again; what a device gave it does not give twice. */
static void pyuring_file_doubt(struct pyuring_file *file)
{
	struct stat status;

	if (file->doubtful && (stat(file->path, &status) < 0 || S_ISREG(status.st_mode)))
		file->done--;
	file->doubtful = false;
}

static void pyuring_file_prepare(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file)
{
	if (file->next == PYURING_FILE_READ) {
		bool fits;

		pyuring_file_doubt(file);
		fits = file->done < file->room;
		pyuring_file_add_read(u, f, file, PYURING_STEP_READ, fits ? file->memory + file->done : file->place,
				      fits ? file->room - file->done : PYURING_FILE_ROOM, file->done, 0);
		return;
	}
	if (file->next == PYURING_FILE_OPEN)
		pyuring_file_add_open(u, f, file, f->direct && f->chained ? IOSQE_IO_LINK : 0);
	if (file->next == PYURING_FILE_LOOK || (f->direct && f->chained))
		pyuring_file_add_look(u, f, file);
}
