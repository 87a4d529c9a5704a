/* All of pyuring's C, in one translation unit: everything is static and inlines. */
#ifndef PYURING_H
#define PYURING_H

#include "bench.h"
#include "completions.h"
#include "direct_io.h"
#include "groups.h"
#include "operations.h"
#include "ranges.h"
#include "registered.h"
#include "resize.h"
#include "ring.h"
#include "tuning.h"

struct pyuring_opcode {
	const char *name;
	int opcode;
	const char *since; /* the first kernel that has it */
};

static const char *const pyuring_liburing_version = PYURING_LIBURING_VERSION;

/* Make a Python object immortal: what the kernel may still write to when a ring
 * cannot be drained must outlive everything, the interpreter's own end included. */
static void pyuring_leak(uintptr_t object)
{
	PyGILState_STATE state = PyGILState_Ensure();

	Py_IncRef((PyObject *)object);
	PyGILState_Release(state);
}

#endif
