/* Resizing a ring's queues while it lives, as newer liburing's io_uring_resize_rings(). */
#ifndef PYURING_RESIZE_H
#define PYURING_RESIZE_H

#include "ring.h"

static uint32_t pyuring_power_of_two(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power <<= 1;
	return power;
}

static void *pyuring_map(const struct pyuring *u, size_t size, off_t offset)
{
	void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->ring.ring_fd, offset);

	if (place == MAP_FAILED)
		return NULL;
	if (madvise(place, size, MADV_DONTFORK) == 0)
		return place;
	munmap(place, size);
	return NULL;
}

/* SMP_CACHE_BYTES, to which the kernel aligns the SQ's array of indices. */
#if defined(__s390__)
#define PYURING_CACHE_LINE 256
#elif defined(__powerpc__)
#define PYURING_CACHE_LINE 128
#else
#define PYURING_CACHE_LINE 64
#endif

/* Where the array of indices is: behind the CQEs, where twice as large ones double what is
 * before them too. Kernels (6.18 at least) do not tell after resizing a ring, and liburing
 * before 2.6 makes no rings without such an array. */
static uint32_t pyuring_array_offset(const struct pyuring *u, uint32_t cqes, uint32_t cq_entries)
{
	unsigned shift = u->ring.flags & IORING_SETUP_CQE32 ? 1 : 0;
	uint32_t size = (cqes + cq_entries * (uint32_t)sizeof(struct io_uring_cqe)) << shift;

	return (size + PYURING_CACHE_LINE - 1) / PYURING_CACHE_LINE * PYURING_CACHE_LINE;
}

/* Whether it is where that says on the ring as it is now, so that one can rely on it. */
static bool pyuring_knows_array(const struct pyuring *u)
{
	const struct io_uring_sq *sq = &u->ring.sq;
	const struct io_uring_cq *cq = &u->ring.cq;
	uint32_t cqes = (uint32_t)((char *)cq->cqes - (char *)cq->ring_ptr);

	return u->ring.flags & IORING_SETUP_NO_SQARRAY ||
	       (uint32_t)((char *)sq->array - (char *)sq->ring_ptr) == pyuring_array_offset(u, cqes, cq->ring_entries);
}

static void pyuring_point(struct io_uring *ring, const struct io_uring_params *params)
{
	struct io_uring_sq *sq = &ring->sq;
	struct io_uring_cq *cq = &ring->cq;
	char *base = sq->ring_ptr;
	unsigned i;

	sq->khead = (unsigned *)(base + params->sq_off.head);
	sq->ktail = (unsigned *)(base + params->sq_off.tail);
	sq->kring_mask = (unsigned *)(base + params->sq_off.ring_mask);
	sq->kring_entries = (unsigned *)(base + params->sq_off.ring_entries);
	sq->kflags = (unsigned *)(base + params->sq_off.flags);
	sq->kdropped = (unsigned *)(base + params->sq_off.dropped);
	sq->ring_mask = *sq->kring_mask;
	sq->ring_entries = *sq->kring_entries;
	sq->sqe_head = sq->sqe_tail = *sq->ktail;
	if (!(ring->flags & IORING_SETUP_NO_SQARRAY)) {
		sq->array = (unsigned *)(base + params->sq_off.array);
		for (i = 0; i < sq->ring_entries; i++)
			sq->array[i] = i;
	}
	cq->khead = (unsigned *)(base + params->cq_off.head);
	cq->ktail = (unsigned *)(base + params->cq_off.tail);
	cq->kring_mask = (unsigned *)(base + params->cq_off.ring_mask);
	cq->kring_entries = (unsigned *)(base + params->cq_off.ring_entries);
	cq->koverflow = (unsigned *)(base + params->cq_off.overflow);
	cq->cqes = (struct io_uring_cqe *)(base + params->cq_off.cqes);
	cq->kflags = (unsigned *)(base + params->cq_off.flags);
	cq->ring_mask = *cq->kring_mask;
	cq->ring_entries = *cq->kring_entries;
}

/* Map the new queues in place of the old ones. Rings that can be resized have SQ and CQ in
 * one mapping. */
static int pyuring_remap(struct pyuring *u, const struct io_uring_params *params)
{
	struct io_uring_sq *sq = &u->ring.sq;
	struct io_uring_cq *cq = &u->ring.cq;
	unsigned shift = u->ring.flags & IORING_SETUP_CQE32 ? 1 : 0;
	size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(unsigned);
	size_t cq_size = params->cq_off.cqes + ((size_t)params->cq_entries << shift) * sizeof(struct io_uring_cqe);
	size_t ring_size = sq_size > cq_size ? sq_size : cq_size;
	size_t sqes_size = params->sq_entries * pyuring_sqe_size(u);
	void *rings = pyuring_map(u, ring_size, (off_t)IORING_OFF_SQ_RING);
	void *sqes = pyuring_map(u, sqes_size, (off_t)IORING_OFF_SQES);

	if (!rings || !sqes) {
		if (rings)
			munmap(rings, ring_size);
		if (sqes)
			munmap(sqes, sqes_size);
		return -ENOMEM;
	}
	munmap(sq->sqes, sq->ring_entries * pyuring_sqe_size(u));
	munmap(sq->ring_ptr, sq->ring_sz);
	sq->ring_ptr = cq->ring_ptr = rings;
	sq->ring_sz = cq->ring_sz = ring_size;
	sq->sqes = sqes;
	/* liburing 2.6 and newer unmap by the number that stands behind ring_entries, which is
	 * padding in 2.3: they are ABI compatible. */
	(&sq->ring_entries)[1] = (unsigned)sqes_size;
	pyuring_point(&u->ring, params);
	return 0;
}

/* Give the ring other sizes; nothing is prepared or in flight, and Python has taken over all
 * that was reaped. Arrays of `limit` items that are Python's must be large enough already. On
 * an error the ring is as it was; but if the new queues cannot be mapped, it is closed. */
static int pyuring_resize(struct pyuring *u, uint32_t entries, uint32_t cq_entries, int64_t taken_over)
{
	struct io_uring_params params;
	struct io_uring_sq *sq = &u->ring.sq;
	uint32_t sq_size = pyuring_power_of_two(entries), limit = pyuring_power_of_two(cq_entries);
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->staging)
		return PYURING_IN_CHAIN;
	if (u->in_flight || u->notifying || u->expected || u->batch_number != taken_over ||
	    sq->sqe_head != sq->sqe_tail || io_uring_sq_ready(&u->ring) || io_uring_cq_ready(&u->ring))
		return -EBUSY;
	memset(&params, 0, sizeof(params));
	params.sq_entries = sq_size;
	params.cq_entries = limit;
	params.flags = IORING_SETUP_CQSIZE;
	if (!pyuring_knows_array(u))
		return -EOPNOTSUPP;
	error = pyuring_register(u, PYURING_REGISTER_RESIZE_RINGS, &params, 1);
	if (error < 0)
		return error;
	if (params.sq_off.array == 0 && !(u->ring.flags & IORING_SETUP_NO_SQARRAY))
		params.sq_off.array = pyuring_array_offset(u, params.cq_off.cqes, params.cq_entries);
	error = pyuring_remap(u, &params);
	if (error == 0)
		error = pyuring_allocate(u, params.sq_entries, params.cq_entries);
	if (error < 0)
		pyuring_exit(u, false);
	return error;
}

#endif
