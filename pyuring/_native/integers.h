/* A column of integers as Python has it: an array of any width, or the same number again and
 * again, or numbers that are the same distance apart, as in a range. */
#ifndef PYURING_INTEGERS_H
#define PYURING_INTEGERS_H

#include <stdint.h>
#include <string.h>

struct pyuring_integers {
	const char *items; /* NULL: number i is first + i * step */
	int64_t first;
	int64_t step;
	int32_t width; /* bytes of an item; negative: it is signed */
};

/* Number `i`; one beyond 2**63-1 comes as -1, which is no offset and no length either. */
static inline int64_t pyuring_integer(const struct pyuring_integers *column, uint64_t i)
{
	const char *item;
	/* Read as bytes: an array may start at any address. */
	union {
		int64_t i64;
		uint64_t u64;
		int32_t i32;
		uint32_t u32;
		int16_t i16;
		uint16_t u16;
	} value;

	if (!column->items)
		return (int64_t)((uint64_t)column->first + i * (uint64_t)column->step);
	item = column->items + i * (uint64_t)(column->width < 0 ? -column->width : column->width);
	switch (column->width) {
	case -8:
		return memcpy(&value, item, 8), value.i64;
	case 8:
		return memcpy(&value, item, 8), value.u64 > INT64_MAX ? -1 : (int64_t)value.u64;
	case -4:
		return memcpy(&value, item, 4), value.i32;
	case 4:
		return memcpy(&value, item, 4), value.u32;
	case -2:
		return memcpy(&value, item, 2), value.i16;
	case 2:
		return memcpy(&value, item, 2), value.u16;
	case -1:
		return *(const int8_t *)item;
	default:
		return *(const uint8_t *)item;
	}
}

#endif
