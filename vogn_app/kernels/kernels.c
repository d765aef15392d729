/* Kernels for CPU tensors: plain C, compiled by build.py on the user's machine.
 *
 * Each template is included once for float and once for double; NAME(f) is then f_float
 * or f_double. Every function works on a range of units that are independent of each
 * other, so threads share the units of one call and the result is the same for any
 * number of threads. Arrays are contiguous and do not overlap. A function that needs
 * memory returns 0, or -1 if there was none; nothing is changed in that case.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* VECTOR_BYTES is the widest register. token_sums works in tiles of ROWS rows times
 * COLUMNS vectors, chosen by measurement (aarch64: by its number of registers). */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define ROWS 8
#define COLUMNS 1
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define ROWS 4
#define COLUMNS 2
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define ROWS 8
#define COLUMNS 1
#else
#define VECTOR_BYTES 16
#define ROWS 4
#define COLUMNS 2
#endif

#define INLINE static inline __attribute__((always_inline))
#define SMALLER(a, b) ((a) < (b) ? (a) : (b))

/* Units of work, which build.py sets: BLOCK elements of a tensor, STRIP columns of a
 * matrix, STRIPE outputs of a layer. */
#if !defined(BLOCK) || !defined(STRIP) || !defined(STRIPE)
#error "BLOCK, STRIP and STRIPE must be defined, see build.py"
#endif

#include "normals.h"

typedef float Vector_float __attribute__((vector_size(VECTOR_BYTES), aligned(4)));
typedef double Vector_double __attribute__((vector_size(VECTOR_BYTES), aligned(8)));

#define VECTOR NAME(Vector)
#define COUNT (VECTOR_BYTES / (int64_t)sizeof(REAL)) /* numbers in a vector */

#define REAL float
#define ROOT sqrtf
#define NAME(function) function##_float
#include "sums.h"
#include "tokens.h"
#include "updates.h"
#include "variational.h"
#undef REAL
#undef ROOT
#undef NAME

#define REAL double
#define ROOT sqrt
#define NAME(function) function##_double
#include "sums.h"
#include "tokens.h"
#include "updates.h"
#include "variational.h"
