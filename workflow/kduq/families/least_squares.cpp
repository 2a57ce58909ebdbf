// Least squares of many students on bootstrap samples of one design, by their normal equations.
//
// The pairwise products of a row's inputs are the same for all students; a student's Gram matrix is
// their sum over its sample. A block of rows of the products stays in the first-level cache while
// the students of a group add theirs. Each adds only the rows that it has drawn: a bootstrap sample
// of the size of the data lacks about a third of the rows. A student's bits depend on its own data
// alone.
//
// Inputs come in tiles: (tiles, p, tile), the rows of a tile side by side, zeros beyond the last.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int bytes = 64;
constexpr int most = 14;  // vectors of sums in registers
#elif defined(__AVX__)
constexpr int bytes = 32;
constexpr int most = 12;
#else
constexpr int bytes = 16;
constexpr int most = 12;
#endif

using Index = std::int64_t;
using Count = std::uint16_t;

constexpr Index tile = 64;
constexpr Index cached = 28 << 10;  // bytes of a block's products: most of the first-level cache
constexpr Index group = 20;         // students whose sums stay in a cache while blocks go by

/// Numbers from the boundary of a cache's line on, zeros at first.
template <class Number> class Array {
    struct alignas(64) Line {
        char bytes[64];
    };
    std::vector<Line> lines;

  public:
    explicit Array(Index numbers) : lines(numbers * sizeof(Number) / sizeof(Line) + 1) {}
    Number *data() { return reinterpret_cast<Number *>(lines.data()); }
};

template <class Number, int count> struct Pack {
    typedef Number type __attribute__((vector_size(count * sizeof(Number))));
};

/// Sum of a vector's numbers, one half added to the other.
template <class Number, int count> Number total(const typename Pack<Number, count>::type &all) {
    if constexpr (count == 2) {
        return all[0] + all[1];
    } else {
        typename Pack<Number, count / 2>::type low, high;
        std::memcpy(&low, &all, sizeof low);
        std::memcpy(&high, reinterpret_cast<const char *>(&all) + sizeof low, sizeof high);
        return total<Number, count / 2>(low + high);
    }
}

/// Rows of a block that are in a sample: the row in a number's lower half, its count in the upper.
Index find(const Count *counts, Index rows, std::uint32_t *packed) {
    Index drawn = 0, r = 0;
#if defined(__AVX512F__)
    const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (; r + 16 <= rows; r += 16) {
        const __m256i short_counts = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(counts + r));
        const __m512i count = _mm512_cvtepu16_epi32(short_counts);
        const __m512i row = _mm512_add_epi32(steps, _mm512_set1_epi32(static_cast<int>(r)));
        const __m512i both = _mm512_or_si512(_mm512_slli_epi32(count, 16), row);
        const __mmask16 present = _mm512_test_epi32_mask(count, count);
        _mm512_storeu_si512(packed + drawn, _mm512_maskz_compress_epi32(present, both));
        drawn += __builtin_popcount(present);
    }
#endif
    for (; r < rows; r++) {
        packed[drawn] = std::uint32_t{counts[r]} << 16 | static_cast<std::uint32_t>(r);
        drawn += counts[r] != 0;
    }
    return drawn;
}

template <class Real> struct LeastSquares {
    static constexpr int lanes = bytes / sizeof(Real);
    typedef typename Pack<Real, lanes>::type Vector;
    typedef typename Pack<double, lanes>::type Doubles;
    typedef typename Pack<Count, lanes>::type Counts;
    typedef typename Pack<std::int32_t, lanes>::type Integers;

    static Vector load(const Real *from) {
        Vector value;
        std::memcpy(&value, from, sizeof value);
        return value;
    }

    static void store(Real *to, const Vector &value) { std::memcpy(to, &value, sizeof value); }

    /// Counts as numbers: looking one up is faster than converting it.
    static inline const std::vector<Real> weights = [] {
        std::vector<Real> all(1 << 8 * sizeof(Count));
        for (std::size_t i = 0; i < all.size(); i++) all[i] = static_cast<Real>(i);
        return all;
    }();

    /// Add rows of a table, each times its count; of a row T vectors.
    template <int T>
    [[gnu::noinline]] static void add(const Real *table, Index stride, const std::uint32_t *drawn,
                                      Index count, Real *sums) {
        constexpr int abreast = most / T;  // so that no sum waits for the one before
        const Real *const weight = weights.data();
        Vector sum[abreast][T] = {};
        Index i = 0;
        for (; i + abreast <= count; i += abreast)
#pragma GCC unroll 16
            for (int a = 0; a < abreast; a++) {
                const Real *const row = table + (drawn[i + a] & 0xffff) * stride;
                const Real factor = weight[drawn[i + a] >> 16];
#pragma GCC unroll 16
                for (int t = 0; t < T; t++) sum[a][t] += factor * load(row + t * lanes);
            }
        for (; i < count; i++) {
            const Real *const row = table + (drawn[i] & 0xffff) * stride;
            const Real factor = weight[drawn[i] >> 16];
#pragma GCC unroll 16
            for (int t = 0; t < T; t++) sum[0][t] += factor * load(row + t * lanes);
        }
#pragma GCC unroll 16
        for (int t = 0; t < T; t++) {
            Vector all = sum[0][t];
            for (int a = 1; a < abreast; a++) all += sum[a][t];
            store(sums + t * lanes, load(sums + t * lanes) + all);
        }
    }

    /// The same for rows of any number of vectors.
    template <int T = most>
    static void add_all(const Real *table, Index stride, const std::uint32_t *drawn, Index count,
                        Real *sums, Index wide) {
        for (; wide >= T; wide -= T, table += T * lanes, sums += T * lanes)
            add<T>(table, stride, drawn, count, sums);
        if constexpr (T > 1) add_all<T - 1>(table, stride, drawn, count, sums, wide);
    }

    /// Cy, of labels in another unit; zero where a row is not drawn, whatever its label.
    static void weigh(const Count *counts, const double *labels, Index rows, double location,
                      double scale, Real *to) {
        const double units = 1 / scale;
        const auto some = [=](const Count *count, const double *label, Real *out) {
            Counts times_drawn;
            Doubles y;
            std::memcpy(&times_drawn, count, sizeof times_drawn);
            std::memcpy(&y, label, sizeof y);
            y = (y - location) * units;
            const Integers whole = __builtin_convertvector(times_drawn, Integers);
            const Vector times = __builtin_convertvector(whole, Vector);
            const Vector value = __builtin_convertvector(y, Vector);
            store(out, times != 0 ? times * value : Vector{});
        };
        Index r = 0;
        for (; r + lanes <= rows; r += lanes) some(counts + r, labels + r, to + r);
        if (r == rows) return;
        Count count[lanes] = {};
        double label[lanes] = {};
        std::memcpy(count, counts + r, sizeof(Count) * (rows - r));
        std::memcpy(label, labels + r, sizeof(double) * (rows - r));
        some(count, label, to + r);
    }

    /// Add XᵀCy of two students, of T inputs.
    template <int T>
    [[gnu::noinline]] static void project(const Real *tiles, Index p, Index rows,
                                          const Real *const *weighted, double *const *to) {
        Vector sum[2][T] = {};
        for (Index r = 0; r < rows; r += tile, tiles += p * tile)
            for (Index v = 0; v < tile; v += lanes) {
                const Vector first = load(weighted[0] + r + v), second = load(weighted[1] + r + v);
#pragma GCC unroll 16
                for (int i = 0; i < T; i++) {
                    const Vector x = load(tiles + i * tile + v);
                    sum[0][i] += first * x;
                    sum[1][i] += second * x;
                }
            }
#pragma GCC unroll 2
        for (int s = 0; s < 2; s++)
#pragma GCC unroll 16
            for (int i = 0; i < T; i++) to[s][i] += total<Real, lanes>(sum[s][i]);
    }

    /// The same of any number of inputs.
    template <int T = most>
    static void project_all(const Real *tiles, Index p, Index rows, const Real *const *weighted,
                            double *const *to, Index from = 0) {
        for (; p - from >= T; from += T) {
            double *const part[2] = {to[0] + from, to[1] + from};
            project<T>(tiles + from * tile, p, rows, weighted, part);
        }
        if constexpr (T > 1) project_all<T - 1>(tiles, p, rows, weighted, to, from);
    }

    static void accumulate(const Real *table, Index stride, const Real *tiles, Index rows, Index p,
                           const Count *counts, const double *labels, Index n, double location,
                           double scale, Index students, bool begins, double *sums) {
        const Index wide = (p * (p + 1) / 2 + lanes - 1) / lanes;
        const Index fitting = cached / static_cast<Index>(stride * sizeof(Real));
        const Index block = std::max<Index>(fitting / 16 * 16, 16);
        const Index padded = (rows + tile - 1) / tile * tile, row = stride + p;
        Array<Real> part(group * stride), weighted(2 * padded);
        Array<double> spare(p);
        std::vector<std::uint32_t> drawn(block + 16);  // whole vectors are written
        for (Index first = 0; first < students; first += group) {
            const Index members = std::min(group, students - first);
            if (begins) std::fill_n(sums + first * row, members * row, 0.0);
            for (Index s = first; s < first + members; s += 2) {
                const Real *const both[2] = {weighted.data(), weighted.data() + padded};
                double *to[2] = {sums + s * row + stride, spare.data()};
                weigh(counts + s * n, labels + s * n, rows, location, scale, weighted.data());
                if (s + 1 < first + members) {
                    to[1] = sums + (s + 1) * row + stride;
                    weigh(counts + (s + 1) * n, labels + (s + 1) * n, rows, location, scale,
                          weighted.data() + padded);
                }
                project_all(tiles, p, rows, both, to);
            }
            // Of this panel alone: rounding then grows with its rows, not with all.
            std::fill_n(part.data(), group * stride, Real{0});
            for (Index from = 0; from < rows; from += block)
                for (Index s = first; s < first + members; s++) {
                    if (s + group < students) {  // what the next group reads, meanwhile
                        const Index next = (s + group) * n + from;
                        for (Index r = 0; r < block; r += 64 / sizeof(double))
                            __builtin_prefetch(labels + next + r, 0, 2);
                        for (Index r = 0; r < block; r += 64 / sizeof(Count))
                            __builtin_prefetch(counts + next + r, 0, 2);
                    }
                    const Index height = std::min(block, rows - from);
                    const Index count = find(counts + s * n + from, height, drawn.data());
                    add_all(table + from * stride, stride, drawn.data(), count,
                            part.data() + (s - first) * stride, wide);
                }
            for (Index s = 0; s < members; s++)
                for (Index i = 0; i < stride; i++)
                    sums[(first + s) * row + i] += part.data()[s * stride + i];
        }
    }

    /// Predictions of all students, one part of a tile after the other. Memory takes more time than
    /// arithmetic, so they have the precision of the coefficients.
    static void predict(const Real *tiles, Index n, Index p, const Real *coefficients,
                        Index students, double location, double scale, Real *predictions) {
        constexpr int across = 4, abreast = bytes == 64 ? 4 : 2;
        const Real middle = static_cast<Real>(location), unit = static_cast<Real>(scale);
        for (Index first = 0; first < n; first += across * lanes) {
            const Real *const from = tiles + first / tile * p * tile + first % tile;
            const Index rows = std::min<Index>(across * lanes, n - first);
            for (Index s = 0; s < students; s += abreast) {
                Vector sum[abreast][across] = {};
                for (Index i = 0; i < p; i++)
#pragma GCC unroll 8
                    for (int v = 0; v < across; v++) {
                        const Vector x = load(from + i * tile + v * lanes);
#pragma GCC unroll 8
                        for (int a = 0; a < abreast; a++)
                            sum[a][v] += coefficients[(s + a) * p + i] * x;
                    }
#pragma GCC unroll 8
                for (int a = 0; a < abreast; a++) {
                    if (s + a == students) break;
                    Real rest[across * lanes], *const to = predictions + (s + a) * n + first;
                    Real *const out = rows == across * lanes ? to : rest;
#pragma GCC unroll 8
                    for (int v = 0; v < across; v++) {
                        const Vector value = middle + unit * sum[a][v];
                        std::memcpy(out + v * lanes, &value, sizeof value);
                    }
                    if (out == rest) std::memcpy(to, rest, sizeof(Real) * rows);
                }
            }
        }
    }

    /// Cholesky's elimination of [G, m, 1], for as many students as a vector has lanes: G = UᵀU
    /// leaves [U, U⁻ᵀm, U⁻ᵀ]. A matrix that is not positive definite ends in NaN.
    static void eliminate(Vector *table, Index p) {
        const Index width = 2 * p + 1;
        for (Index pivot = 0; pivot < p; pivot++) {
            Vector *const row = table + pivot * width;
            const Index end = p + 2 + pivot;  // beyond it are zeros
            Real roots[lanes];
            store(roots, row[pivot]);
            for (int lane = 0; lane < lanes; lane++) roots[lane] = 1 / std::sqrt(roots[lane]);
            const Vector scale = load(roots);
            for (Index j = pivot; j < end; j++) row[j] *= scale;
            for (Index i = pivot + 1; i < p; i++) {
                Vector *const below = table + i * width;
                const Vector factor = row[i];
                for (Index j = i; j < end; j++) below[j] -= factor * row[j];
            }
        }
    }

    /// Coefficients of all students, as many at once as a vector has lanes, and `bounds`.
    static void solve(const double *sums, Index stride, Index p, Index students, Real *coefficients,
                      double *bounds) {
        const Index width = 2 * p + 1;
        Array<Real> numbers(p * width * lanes);
        Vector *const system = reinterpret_cast<Vector *>(numbers.data());
        for (Index first = 0; first < students; first += lanes) {
            const Index here = std::min<Index>(lanes, students - first);
            std::fill_n(system, p * width, Vector{});
            for (Index lane = 0; lane < here; lane++) {
                const double *from = sums + (first + lane) * (stride + p);
                const double *const moments = from + stride;
                for (Index i = 0; i < p; i++) {
                    for (Index j = i; j < p; j++) system[i * width + j][lane] = *from++;
                    system[i * width + p][lane] = moments[i];
                    system[i * width + p + 1 + i][lane] = 1;
                }
            }
            Vector diagonal = {};
            for (Index i = 0; i < p; i++) diagonal += system[i * width + i];
            eliminate(system, p);
            Vector squares = {};
            for (Index i = 0; i < p; i++) {
                Vector solution = {};
                for (Index j = i; j < p; j++) {
                    const Vector *const row = system + j * width;
                    solution += row[p + 1 + i] * row[p];
                    squares += row[p + 1 + i] * row[p + 1 + i];
                }
                for (Index lane = 0; lane < here; lane++)
                    coefficients[(first + lane) * p + i] = solution[lane];
            }
            for (Index lane = 0; lane < here; lane++) {
                bounds[first + lane] = 1 / squares[lane];
                bounds[students + first + lane] = diagonal[lane];
            }
        }
    }
};

}  // namespace

/// Least squares in either precision, called for one panel of rows after the other.
///
/// Inputs are a table of the pairwise products of a panel's inputs (rows, stride), the tiles of
/// all n rows, and each student's counts and labels (students, n). The location is subtracted from
/// labels and the scale divides them. Each panel adds to the students' sums (students, stride + p),
/// which the first panel sets to zero: the upper triangle of the Gram matrix, row after row, and
/// XᵀCy. The table's rows are whole vectors. All panels but the last have whole tiles.
///
/// The last panel writes a lower bound of the least eigenvalue, NaN where the matrix is not
/// positive definite, and the trace (2, students), and the predictions for both splits.
#define KDUQ_LEAST_SQUARES(precision, Real)                                                        \
    extern "C" void kduq_least_squares_##precision(                                                \
        const Real *table, Index stride, Index first, Index rows, Index p, const Real *tiles,      \
        Index n, const Real *test_tiles, Index m, const Count *counts, const double *labels,       \
        double location, double scale, Index students, double *sums, double *bounds,               \
        Real *train, Real *test) {                                                                 \
        LeastSquares<Real>::accumulate(table, stride, tiles + first * p, rows, p, counts + first,  \
                                       labels + first, n, location, scale, students, first == 0,   \
                                       sums);                                                      \
        if (first + rows < n) return;                                                              \
        Array<Real> coefficients((students + LeastSquares<Real>::lanes) * p);                      \
        LeastSquares<Real>::solve(sums, stride, p, students, coefficients.data(), bounds);         \
        LeastSquares<Real>::predict(tiles, n, p, coefficients.data(), students, location, scale,   \
                                    train);                                                        \
        LeastSquares<Real>::predict(test_tiles, m, p, coefficients.data(), students, location,     \
                                    scale, test);                                                  \
    }

KDUQ_LEAST_SQUARES(single, float)
KDUQ_LEAST_SQUARES(double, double)
