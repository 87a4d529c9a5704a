/* What runs of files use of a ring: a slab to read to, and a table of registered files that
 * is empty but for them. Part of files.h.
 *
 * One run at a time has them. Another, which a signal handler began meanwhile, has a slab of
 * its own, and opens ordinary descriptors; so does a run on a ring whose table is the user's.
 */
#include <sys/mman.h>
#include <sys/resource.h>

static void pyuring_take_table(struct pyuring *u, struct pyuring_files *f)
{
	struct rlimit limit;

	f->direct = false;
	if (!f->chained || u->files_key || u->table_user || getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == 0)
		return;
	if (limit.rlim_cur < f->run.depth)
		f->run.depth = (uint32_t)limit.rlim_cur;
	f->direct = pyuring_has_table(u, f->run.depth);
	if (f->direct)
		u->table_user = &f->run;
}

/* Empty the places that `f` used, so that no file stays open behind them. */
static int pyuring_return_table(struct pyuring *u, struct pyuring_files *f)
{
	int none[64], error = 0;
	uint32_t i;

	pyuring_settle(u);
	if (!f->keeps_table) {
		error = io_uring_unregister_files(&u->ring);
		u->table = 0;
	}
	memset(none, -1, sizeof(none));
	for (i = 0; u->table && i < f->opened && error >= 0; i += 64)
		error = io_uring_register_files_update(&u->ring, i, none, f->opened - i < 64 ? f->opened - i : 64);
	u->table_user = NULL;
	return error < 0 ? error : 0;
}

static int pyuring_take_slab(struct pyuring *u, struct pyuring_files *f)
{
	size_t size = (size_t)f->run.depth * PYURING_FILE_STRIDE;
	void *slab = u->slab;

	if (u->slab_size >= size) {
		f->slab = slab;
		f->slab_size = u->slab_size;
		u->slab = NULL;
		u->slab_size = 0;
		return 0;
	}
	slab = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slab == MAP_FAILED)
		return -ENOMEM;
	f->slab = slab;
	f->slab_size = size;
	return 0;
}

/* Keep it for the next run, with no more memory in it than a few files take, or unmap it. */
static void pyuring_return_slab(struct pyuring *u, struct pyuring_files *f)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), kept = PYURING_FILES_WARM * PYURING_FILE_STRIDE / page * page;

	if (pyuring_is_mine(u) && u->slab_size < f->slab_size) {
		if (u->slab)
			munmap(u->slab, u->slab_size);
		if (f->opened > PYURING_FILES_WARM)
			madvise(f->slab + kept, f->slab_size - kept, MADV_DONTNEED);
		u->slab = f->slab;
		u->slab_size = f->slab_size;
	} else
		munmap(f->slab, f->slab_size);
	f->slab = NULL;
}
