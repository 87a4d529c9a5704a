/* The run that reads whole files, as many as there are paths.
 *
 * Most files are one chain: open, a look whether it is a pipe, read, read one byte more. They
 * are opened into the table of registered files, where the next file takes the last one's
 * place, so closing costs nothing. What a chain cannot do, going on with a long file or one
 * that gives what it has by the spoonful, is done step by step.
 */
#ifndef PYURING_FILES_H
#define PYURING_FILES_H

#include <fcntl.h>
#include <sys/stat.h>

#include "run_table.h"

/* What is read of a file before memory of its own is made for it. A file's place in the slab
 * is longer, so that not all places compete for the same lines of the cache. */
#define PYURING_FILE_ROOM 65536
#define PYURING_FILE_STRIDE (PYURING_FILE_ROOM + 4096 + 64)
/* As in ranges.h: what one SQE, and one submission, reads at most. */
#define PYURING_FILE_PIECE (UINT64_C(16) << 20)
#define PYURING_FILE_SUBMISSION (UINT64_C(32) << 20)

/* The steps; a key is a file's place << 2 | step. */
enum {
	PYURING_STEP_OPEN,
	PYURING_STEP_GUARD, /* advice, which a pipe refuses: a read would take what is for others */
	PYURING_STEP_READ,
	PYURING_STEP_PROOF, /* one byte more: that a read was short does not tell that the file is */
	PYURING_STEPS,
};

/* What is to be done next with a file that is neither idle nor in flight. */
enum {
	PYURING_FILE_OPEN,  /* once more */
	PYURING_FILE_LOOK,  /* it is open, and that is all */
	PYURING_FILE_READ,  /* go on */
	PYURING_FILE_GROW,  /* it has filled its memory */
	PYURING_FILE_DONE,  /* read, or failed */
	PYURING_FILE_LEFT,  /* for later */
	PYURING_FILE_IDLE,  /* no file is here */
};

struct pyuring_file {
	uint64_t index;
	const char *path;
	char *memory;
	uint64_t room;    /* bytes of it */
	uint64_t done;    /* bytes read */
	char *place;      /* in the slab, whose memory it is at first */
	void *object;     /* the bytes object whose memory it is then, or is to be */
	char *heap;       /* or the memory of C's */
	uint64_t spilled; /* bytes read that the object has no room for: they are in the slab */
	int64_t error;    /* -errno */
	int32_t res[PYURING_STEPS];
	int fd;           /* if files are not opened into the table */
	uint8_t busy;     /* the steps in flight, bit by bit */
	uint8_t next;     /* PYURING_FILE_* */
	bool doubtful;    /* whether the last byte is the one that belongs there */
};

/* Filled in by Python as far as `window`. */
struct pyuring_files {
	struct pyuring_run run;
	bool adaptive;        /* begin with few files at a time, as long as they are in the page cache */
	bool keeps_table;     /* what it registers stays, for the next run */
	uint64_t count;
	const char *paths;    /* each with a zero byte behind it */
	uintptr_t results;    /* the list that gets bytes or, where that failed, -errno */
	uint64_t budget;      /* bytes that it is to hold, about; 0 = all of them */
	uint32_t window;      /* how many files at a time; at first 0, or what a run before had in the end */

	struct pyuring *ring; /* that it was begun on */
	bool direct;          /* files are opened into the table of registered files */
	bool chained;         /* there is room for chains */
	char *slab;           /* run.depth places of PYURING_FILE_STRIDE, or more */
	size_t slab_size;
	struct pyuring_file *places; /* run.depth of them, as of the next four */
	uint32_t *idle;
	uint32_t *again;      /* to go on with */
	uint32_t *unopened;   /* which there was no descriptor for */
	uint32_t *ready;      /* which Python's lock is needed for */
	uint32_t idle_count;
	uint32_t again_count;
	uint32_t unopened_count;
	uint32_t ready_count;
	uint32_t opened;      /* places that ever were */
	bool grows;           /* among those that are ready one is not done */
	bool full;            /* of the budget: begin nothing more */
	uint64_t next;        /* the first file that was not begun */
	uint64_t left;        /* the first file that was left for later, for lack of budget */
	uint64_t held;        /* bytes in the list, and on their way there */
	uint64_t unsubmitted; /* bytes to be read by what was prepared since the last submission */
	uint64_t failed;
};

/* While files are in the page cache, one submission reads them all, and a few stay in the
 * processor's cache until they are handed over; a disk likes to have many to choose from. */
#define PYURING_FILES_WARM 16

static void pyuring_file_idle(struct pyuring_files *f, struct pyuring_file *file)
{
	file->next = PYURING_FILE_IDLE;
	f->idle[f->idle_count++] = (uint32_t)(file - f->places);
}

static void pyuring_file_now(struct pyuring_files *f, struct pyuring_file *file, uint8_t next)
{
	uint32_t place = (uint32_t)(file - f->places);

	/* An object has the length that the file should have: the next read should find its end. */
	if (next == PYURING_FILE_READ && file->done >= file->room && (!file->object || file->spilled))
		next = PYURING_FILE_GROW;
	file->next = next;
	if (next >= PYURING_FILE_GROW) {
		f->grows |= next == PYURING_FILE_GROW;
		f->ready[f->ready_count++] = place;
	} else
		f->again[f->again_count++] = place;
}

static void pyuring_file_close(struct pyuring_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

#include "file_results.h"
#include "file_steps.h"
#include "places.h"

static void pyuring_file_begin(struct pyuring *u, struct pyuring_files *f)
{
	uint32_t place = f->idle[--f->idle_count];
	struct pyuring_file *file = &f->places[place];

	file->index = f->next++;
	file->path = f->paths;
	f->paths += strlen(f->paths) + 1;
	file->memory = file->place = f->slab + (size_t)place * PYURING_FILE_STRIDE;
	file->room = PYURING_FILE_ROOM;
	file->done = 0;
	file->object = NULL;
	file->heap = NULL;
	file->spilled = 0;
	file->doubtful = false;
	file->error = 0;
	file->fd = -1;
	file->next = PYURING_FILE_OPEN;
	pyuring_file_prepare(u, f, file);
}

/* More files at a time while they keep each other waiting, fewer while none has to wait. */
static void pyuring_files_adapt(struct pyuring_files *f)
{
	uint32_t busy = pyuring_files_busy(f);

	if (!f->adaptive)
		return;
	if (busy == 0 && f->window > PYURING_FILES_WARM)
		f->window -= (f->window - PYURING_FILES_WARM + 3) / 4;
	else if (busy > f->window / 2)
		f->window *= 2;
	if (f->window > f->run.depth)
		f->window = f->run.depth;
}

/* Descriptors are closed by a system call: a worker's could be lost with a run that is stopped. */
static void pyuring_files_close_done(struct pyuring_files *f)
{
	uint32_t i;

	for (i = 0; !f->direct && i < f->ready_count; i++)
		if (f->places[f->ready[i]].next == PYURING_FILE_DONE)
			pyuring_file_close(&f->places[f->ready[i]]);
}

/* The SQEs that going on with a file takes at most, opening it included. */
#define PYURING_FILE_SQES 4

static int pyuring_files_fill(struct pyuring *u, struct pyuring_run *run)
{
	struct pyuring_files *f = (struct pyuring_files *)run;
	unsigned need = f->chained ? PYURING_FILE_SQES : 1;
	int state;

	f->unsubmitted = 0;
	pyuring_files_close_done(f);
	pyuring_files_adapt(f);
	if (f->grows || f->ready_count >= PYURING_FILES_WARM || f->idle_count == 0 || run->in_flight == 0)
		pyuring_files_hand_over(f);
	for (;;) {
		uint32_t busy = pyuring_files_busy(f) - f->unopened_count;
		bool begins = f->next < f->count && !f->full && f->idle_count;

		if (f->again_count == 0 && (busy >= f->window || !(f->unopened_count || begins)))
			/* What is in flight may have to be gone on with. */
			return run->in_flight ? PYURING_RUN_FULL : PYURING_RUN_ISSUED;
		if (!pyuring_run_has_room(u, need, &state))
			return state;
		if (f->unsubmitted >= PYURING_FILE_SUBMISSION)
			return PYURING_RUN_SUBMIT;
		if (f->again_count)
			pyuring_file_prepare(u, f, &f->places[f->again[--f->again_count]]);
		else if (f->unopened_count)
			pyuring_file_prepare(u, f, &f->places[f->unopened[--f->unopened_count]]);
		else
			pyuring_file_begin(u, f);
	}
}

/* The arrays, all in one piece. */
static int pyuring_files_allocate(struct pyuring_files *f)
{
	uint32_t depth = f->run.depth, i;

	f->places = calloc(depth, sizeof(*f->places) + 4 * sizeof(uint32_t));
	if (!f->places)
		return -ENOMEM;
	f->idle = (uint32_t *)(f->places + depth);
	f->again = f->idle + depth;
	f->unopened = f->again + depth;
	f->ready = f->unopened + depth;
	f->idle_count = depth;
	for (i = 0; i < depth; i++) {
		f->idle[i] = depth - 1 - i;
		f->places[i].next = PYURING_FILE_IDLE;
	}
	return 0;
}

/* Let go of what a run has, also one that was stopped or never began; twice is once. Nothing
 * of it may be in flight. */
static int pyuring_files_end(struct pyuring_files *f)
{
	struct pyuring *u = f->ring;
	int error = 0;
	uint32_t i;

	if (!u)
		return 0;
	if (f->run.in_flight)
		return -EBUSY;
	if (f->opened)
		pyuring_files_drop(f);
	for (i = 0; i < f->opened; i++)
		pyuring_file_close(&f->places[i]);
	if (f->direct && pyuring_is_mine(u))
		error = pyuring_return_table(u, f);
	if (f->slab)
		pyuring_return_slab(u, f);
	free(f->places);
	f->places = NULL;
	f->ring = NULL;
	return error;
}

/* Begin the run that `f` describes, the rest of which is zero. */
static int pyuring_files_begin(struct pyuring *u, struct pyuring_files *f)
{
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->ring.flags & IORING_SETUP_IOPOLL)
		return PYURING_NOT_POLLED;
	f->ring = u;
	f->chained = u->limit >= PYURING_FILE_SQES && u->ring.sq.ring_entries >= PYURING_FILE_SQES;
	f->left = UINT64_MAX;
	pyuring_take_table(u, f);
	if ((error = pyuring_take_slab(u, f)) < 0 || (error = pyuring_files_allocate(f)) < 0)
		return error;
	if (!f->adaptive || f->window > f->run.depth)
		f->window = f->run.depth;
	else if (f->window == 0)
		f->window = f->run.depth < PYURING_FILES_WARM ? f->run.depth : PYURING_FILES_WARM;
	f->run.keys = f->run.depth * PYURING_STEPS;
	f->run.fill = pyuring_files_fill;
	f->run.complete = pyuring_files_complete;
	f->run.is_busy = pyuring_files_is_busy;
	return pyuring_run_begin(u, &f->run);
}

#endif
