// Least squares of many students on bootstrap samples of one design, by their normal equations.
//
// The products of a row's inputs, two by two, are the same for all students; a student's Gram matrix
// is their sum over its sample. A block of rows of the products stays in the first-level cache while
// all students add theirs, each of them the rows that it has drawn alone: about a third is in no
// bootstrap sample of the size of the data. A student's bits depend on nothing but its own data.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int lanes = 8;
constexpr int most = 14;  // vectors of sums in registers
#elif defined(__AVX__)
constexpr int lanes = 4;
constexpr int most = 12;
#else
constexpr int lanes = 2;
constexpr int most = 12;
#endif
constexpr int at_least = 8;  // sums under way, so that none waits for the one before
constexpr std::int64_t cached = 3 << 10;  // numbers of a block's products: most of the cache

using Index = std::int64_t;
typedef double Vector __attribute__((vector_size(8 * lanes)));

inline Vector load(const double *from) {
    Vector value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

inline void store(double *to, Vector value) { std::memcpy(to, &value, sizeof value); }

inline Index vectors(Index numbers) { return (numbers + lanes - 1) / lanes; }

/// Numbers of one line of the cache: a vector of lines is zeroed, and on a line's boundary.
struct alignas(64) Line {
    double numbers[8];
};

inline std::vector<Line> lines(Index numbers) { return std::vector<Line>(numbers / 8 + 1); }

/// Add rows of a table, each times its weight; of a row T vectors.
template <int T, class Weight>
[[gnu::noinline]] void add(const double *table, Index stride, const Index *rows, Index count,
                           const Weight &weight, double *sums) {
    constexpr int abreast = T < at_least ? at_least / T : 1;
    Vector sum[abreast][T] = {};  // of this block alone: rounding then grows with its rows, not with all
    Index i = 0;
    for (; i + abreast <= count; i += abreast)
#pragma GCC unroll 8
        for (int a = 0; a < abreast; a++) {
            const double *const row = table + rows[i + a] * stride;
            const double factor = weight(rows[i + a]);
#pragma GCC unroll 16
            for (int t = 0; t < T; t++) sum[a][t] += factor * load(row + t * lanes);
        }
    for (; i < count; i++) {
        const double *const row = table + rows[i] * stride;
        const double factor = weight(rows[i]);
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
template <int T = most, class Weight>
void add_all(const double *table, Index stride, const Index *rows, Index count,
             const Weight &weight, double *sums, Index wide) {
    for (; wide >= T; wide -= T, table += T * lanes, sums += T * lanes)
        add<T>(table, stride, rows, count, weight, sums);
    if constexpr (T > 1) add_all<T - 1>(table, stride, rows, count, weight, sums, wide);
}

/// Predictions of all students, for a tile of rows after the other, whose inputs lie side by side.
void predict(const double *x, Index n, Index p, const double *coefficients, Index students,
             double *predictions) {
    constexpr int tile = at_least, wide = tile * lanes;
    std::vector<Line> held = lines(p * wide), tiles = lines(wide);
    double *const inputs = held.data()->numbers, *const made = tiles.data()->numbers;
    for (Index first = 0; first < n; first += wide) {
        const Index rows = n - first < wide ? n - first : wide;
        for (Index row = 0; row < rows; row++)
            for (Index i = 0; i < p; i++) inputs[i * wide + row] = x[(first + row) * p + i];
        for (Index s = 0; s < students; s++) {
            Vector sum[tile] = {};
            for (Index i = 0; i < p; i++)
#pragma GCC unroll 8
                for (int t = 0; t < tile; t++)
                    sum[t] += coefficients[s * p + i] * load(inputs + i * wide + t * lanes);
            for (int t = 0; t < tile; t++) store(made + t * lanes, sum[t]);
            std::memcpy(predictions + s * n + first, made, 8 * rows);
        }
    }
}

/// Cholesky's elimination of [G, m, 1], for as many students as a vector has lanes: G = UᵀU leaves
/// [U, U⁻ᵀm, U⁻ᵀ]. A matrix that is not positive definite ends in numbers that are none.
void eliminate(Vector *table, Index p) {
    const Index width = 2 * p + 1;
    for (Index pivot = 0; pivot < p; pivot++) {
        Vector *const row = table + pivot * width;
        const Index end = p + 2 + pivot;  // beyond it are zeros
        Vector scale;
        for (int lane = 0; lane < lanes; lane++) scale[lane] = 1 / std::sqrt(row[pivot][lane]);
        for (Index j = pivot; j < end; j++) row[j] *= scale;
        for (Index i = pivot + 1; i < p; i++) {
            Vector *const below = table + i * width;
            const Vector factor = row[i];
            for (Index j = i; j < end; j++) below[j] -= factor * row[j];
        }
    }
}

}  // namespace

/// Of each student, given how often a row is in its sample and the row's label: the upper triangle
/// of the Gram matrix, row after row; XᵀCy; the coefficients; a lower bound of the least eigenvalue,
/// no number where the matrix is not positive definite; the trace; and predictions for both splits.
extern "C" void kduq_least_squares(const double *x, Index n, Index p, const double *test_x, Index m,
                                   const double *counts, const double *labels, Index students,
                                   double *gram, double *moments, double *coefficients,
                                   double *smallest, double *trace, double *train, double *test) {
    const Index pairs = p * (p + 1) / 2;
    const Index wide = vectors(pairs), stride = (wide + vectors(p)) * lanes;
    const Index block = stride < cached ? cached / stride : 1;
    std::vector<Line> tables = lines(block * stride), totals = lines(students * stride);
    double *const table = tables.data()->numbers, *const sums = totals.data()->numbers;
    std::vector<double> input(p + lanes);
    std::vector<Index> rows(block);

    for (Index first = 0; first < n; first += block) {
        const Index held = n - first < block ? n - first : block;
        for (Index r = 0; r < held; r++) {
            std::memcpy(input.data(), x + (first + r) * p, 8 * p);
            double *to = table + r * stride;
            // Whole vectors: what is beyond a row of the triangle is written over.
            for (Index i = 0; i < p; to += p - i++)
                for (Index j = i; j < p; j += lanes) store(to + j - i, input[i] * load(input.data() + j));
            std::memcpy(table + r * stride + wide * lanes, input.data(), 8 * p);
        }
        for (Index s = 0; s < students; s++) {
            const double *const count = counts + s * n + first, *const label = labels + s * n + first;
            for (Index r = 0; r < held; r += 8) {
                __builtin_prefetch(count + 2 * n + r);
                __builtin_prefetch(label + 2 * n + r);
            }
            Index drawn = 0;
            for (Index r = 0; r < held; r++) {
                Index bits;  // compared as an integer, which is faster
                std::memcpy(&bits, count + r, sizeof bits);
                rows[drawn] = r;
                drawn += bits != 0;
            }
            double *const sum = sums + s * stride;
            add_all(table, stride, rows.data(), drawn, [=](Index r) { return count[r]; }, sum, wide);
            add_all(table + wide * lanes, stride, rows.data(), drawn,
                    [=](Index r) { return count[r] * label[r]; }, sum + wide * lanes, vectors(p));
        }
    }

    const Index width = 2 * p + 1;
    std::vector<Line> systems = lines(p * width * lanes);
    Vector *const system = reinterpret_cast<Vector *>(systems.data());
    for (Index first = 0; first < students; first += lanes) {
        const int here = students - first < lanes ? static_cast<int>(students - first) : lanes;
        std::memset(systems.data(), 0, 8 * p * width * lanes);
        for (int lane = 0; lane < here; lane++) {
            const double *const sum = sums + (first + lane) * stride;
            const Index student = first + lane;
            std::memcpy(gram + student * pairs, sum, 8 * pairs);
            std::memcpy(moments + student * p, sum + wide * lanes, 8 * p);
            const double *from = sum;
            for (Index i = 0; i < p; i++) {
                for (Index j = i; j < p; j++) system[i * width + j][lane] = *from++;
                system[i * width + p][lane] = sum[wide * lanes + i];
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
            for (int lane = 0; lane < here; lane++)
                coefficients[(first + lane) * p + i] = solution[lane];
        }
        for (int lane = 0; lane < here; lane++) {
            smallest[first + lane] = 1 / squares[lane];
            trace[first + lane] = diagonal[lane];
        }
    }
    predict(x, n, p, coefficients, students, train);
    predict(test_x, m, p, coefficients, students, test);
}
