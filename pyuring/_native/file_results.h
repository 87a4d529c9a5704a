/* What a run of files read, made Python's: bytes objects in a list. Part of files.h.
 *
 * The loop runs without Python's lock, and takes it once for a group of files. Nothing here
 * runs Python code: bytes are no containers, and what they replace in the list is None.
 *
 * A short file is copied out of the slab. A long one gets a bytes object of the length that
 * stat tells, into which the rest is read. Where that was too little, or nothing, it gets
 * memory of C's that grows, because a bytes object cannot.
 */

/* Whether nothing before `file` is missing in the list. */
static bool pyuring_file_is_first(const struct pyuring_files *f, const struct pyuring_file *file)
{
	uint32_t i;

	for (i = 0; i < f->opened; i++)
		if (f->places[i].next != PYURING_FILE_IDLE && f->places[i].index < file->index)
			return false;
	return file->index < f->left;
}

/* What a file holds besides its part of the slab. */
static uint64_t pyuring_file_holds(const struct pyuring_file *file)
{
	return file->object || file->heap ? file->room : 0;
}

/* How much memory a file is to have that has filled its own: what stat says, which may be
 * wrong by the time it is read, and then *is_exact. 0 if it is a device, which may not end. */
static uint64_t pyuring_file_wish(const struct pyuring_file *file, bool *is_exact)
{
	struct stat status;

	*is_exact = false;
	if (pyuring_file_holds(file) == 0 && stat(file->path, &status) == 0) {
		if (S_ISCHR(status.st_mode))
			return 0;
		*is_exact = S_ISREG(status.st_mode) && (uint64_t)status.st_size >= file->done;
		if (*is_exact)
			return (uint64_t)status.st_size;
	}
	return file->done + (file->done < 8 * PYURING_FILE_ROOM ? 4 * PYURING_FILE_ROOM : file->done / 2);
}

/* `wish` bytes of C's memory for `file`, with what was read of it. */
static int pyuring_file_move(struct pyuring_file *file, uint64_t wish)
{
	uint64_t before = file->done - file->spilled;
	char *heap = realloc(file->heap, wish);

	if (!heap)
		return -ENOMEM;
	if (!file->heap)
		memcpy(heap, file->memory, before);
	memcpy(heap + before, file->place, file->spilled);
	file->spilled = 0;
	file->memory = file->heap = heap;
	file->room = wish;
	return 0;
}

/* What can be done without the lock for a file that has filled its memory. */
static void pyuring_file_grow(struct pyuring_files *f, struct pyuring_file *file)
{
	bool is_exact;
	uint64_t wish = pyuring_file_wish(file, &is_exact);
	int error = wish == 0 || wish > PY_SSIZE_T_MAX / 2 ? -EFBIG : 0;

	f->held -= pyuring_file_holds(file);
	if (error == 0 && f->budget && f->held + wish > f->budget) {
		f->full = true;
		if (!pyuring_file_is_first(f, file)) {
			/* Later: only the first that is missing is needed whatever it takes. */
			file->next = PYURING_FILE_LEFT;
			pyuring_file_close(file);
			return;
		}
	}
	f->held += wish;
	if (error == 0 && !is_exact)
		error = pyuring_file_move(file, wish);
	else if (error == 0)
		file->room = wish;
	if (error < 0) {
		f->held -= wish;
		file->error = error;
		file->next = PYURING_FILE_DONE;
		pyuring_file_close(file);
	}
}

static void pyuring_file_drop(struct pyuring_file *file)
{
	Py_XDECREF((PyObject *)file->object);
	free(file->heap);
	file->object = NULL;
	file->heap = NULL;
}

/* `item`, a new reference or NULL, becomes the file's result, and its place idle. */
static void pyuring_file_give(struct pyuring_files *f, struct pyuring_file *file, PyObject *item)
{
	if (!item) {
		PyErr_Clear();
		file->error = -ENOMEM;
		item = PyLong_FromLong(-ENOMEM);
	}
	if (file->error < 0)
		f->failed++;
	if (!item || PyList_SetItem((PyObject *)f->results, (Py_ssize_t)file->index, item) < 0)
		PyErr_Clear(); /* what stays None has failed too */
	pyuring_file_drop(file);
	pyuring_file_idle(f, file);
}

/* Make its bytes, or its error, the result of a file. */
static void pyuring_file_hand_over(struct pyuring_files *f, struct pyuring_file *file)
{
	PyObject *item = file->object;

	if (file->error < 0)
		item = PyLong_FromLongLong(file->error);
	else if (item && file->done == file->room)
		file->object = NULL; /* it is the result */
	else
		item = PyBytes_FromStringAndSize(file->memory, (Py_ssize_t)file->done);
	if (file->error == 0)
		f->held += file->done - pyuring_file_holds(file);
	if (f->budget && f->held >= f->budget)
		f->full = true;
	pyuring_file_give(f, file, item);
}

/* The file goes on with more memory. */
static void pyuring_file_go_on(struct pyuring_files *f, struct pyuring_file *file)
{
	if (file->heap) {
		Py_XDECREF((PyObject *)file->object);
		file->object = NULL;
	} else if ((file->object = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)file->room)) == NULL) {
		f->held -= file->room;
		pyuring_file_give(f, file, NULL);
		return;
	} else {
		char *memory = PyBytes_AsString(file->object);

		memcpy(memory, file->memory, file->done);
		file->memory = memory;
	}
	pyuring_file_now(f, file, PYURING_FILE_READ);
}

/* Hand over what is read, and give memory to what has filled its own. */
static void pyuring_files_hand_over(struct pyuring_files *f)
{
	uint32_t i, count = f->ready_count;
	PyGILState_STATE state;

	for (i = 0; f->grows && i < count; i++)
		if (f->places[f->ready[i]].next == PYURING_FILE_GROW)
			pyuring_file_grow(f, &f->places[f->ready[i]]);
	f->ready_count = 0;
	f->grows = false;
	state = PyGILState_Ensure();
	for (i = 0; i < count; i++) {
		struct pyuring_file *file = &f->places[f->ready[i]];

		if (file->next == PYURING_FILE_GROW)
			pyuring_file_go_on(f, file);
		else if (file->next == PYURING_FILE_DONE)
			pyuring_file_hand_over(f, file);
		else {
			if (file->index < f->left)
				f->left = file->index;
			pyuring_file_drop(file);
			pyuring_file_idle(f, file);
		}
	}
	PyGILState_Release(state);
}

/* Drop what was read and not handed over. */
static void pyuring_files_drop(struct pyuring_files *f)
{
	PyGILState_STATE state = PyGILState_Ensure();
	uint32_t i;

	for (i = 0; i < f->opened; i++)
		pyuring_file_drop(&f->places[i]);
	PyGILState_Release(state);
}
