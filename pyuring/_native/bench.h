/* The floor that benchmarks compare with: the same loop, all of it in C. */
#ifndef PYURING_BENCH_H
#define PYURING_BENCH_H

#include "ring.h"

static int pyuring_nop_batch(struct io_uring *ring, unsigned batch)
{
	struct io_uring_cqe *cqe;
	unsigned i, head, seen = 0;
	int error;

	for (i = 0; i < batch; i++)
		io_uring_prep_nop(io_uring_get_sqe(ring));
	error = io_uring_submit_and_wait(ring, batch);
	if (error < 0)
		return error;
	io_uring_for_each_cqe(ring, head, cqe)
		seen++;
	io_uring_cq_advance(ring, seen);
	return seen == batch ? 0 : -EIO;
}

/* Nanoseconds that `rounds` times submitting and reaping `batch` nops took. */
static int64_t pyuring_bench_nop(uint32_t setup_flags, uint32_t batch, uint32_t rounds)
{
	struct io_uring ring;
	int64_t start;
	uint32_t i;
	int error = io_uring_queue_init(batch, &ring, setup_flags);

	if (error < 0)
		return error;
	start = pyuring_now_ns();
	for (i = 0; i < rounds && error == 0; i++)
		error = pyuring_nop_batch(&ring, batch);
	start = pyuring_now_ns() - start;
	io_uring_queue_exit(&ring);
	return error < 0 ? error : start;
}

#endif
