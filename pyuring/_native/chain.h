/* Chains: their SQEs gather aside and move into the SQ as one piece. */
#ifndef PYURING_CHAIN_H
#define PYURING_CHAIN_H

#include "prepare.h"

/* Begin a chain: SQEs gather aside until pyuring_chain_end() or _discard(). */
static int pyuring_chain_begin(struct pyuring *u)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->staging)
		return PYURING_IN_CHAIN;
	u->staging = true;
	u->staged = 0;
	return 0;
}

/* Move the chain into the SQ as one piece. `link` is IOSQE_IO_LINK or _HARDLINK;
 * the SQE before a link timeout already has the former, which it needs. */
static int pyuring_chain_end(struct pyuring *u, uint32_t link)
{
	unsigned i;
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (pyuring_space(u) < u->staged && (error = pyuring_make_space(u, u->staged)) < 0)
		return error;
	for (i = 0; i < u->staged; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

		memcpy(sqe, pyuring_sqe_at(u, u->stage, i), pyuring_sqe_size(u));
		if (i + 1 < u->staged)
			sqe->flags |= link;
		if (u->has_drains)
			pyuring_copy_instead(u, sqe); /* one further on drains the chain from its start */
	}
	u->staging = false;
	u->staged = 0;
	return 0;
}

#endif
