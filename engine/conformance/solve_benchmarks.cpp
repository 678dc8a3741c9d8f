// The benchmarks of small least squares, `solve.*`: batches of dense systems beside Eigen, where its headers are, and
// beside a textbook's kernel; recursive least squares beside whole solves.
#include "conformance/benchmark.hpp"
#include "conformance/naive_solve.hpp"
#include "conformance/run_case.hpp"
#include "ops/ridge_solve_cases.hpp"
#include "ops/ridge_solve_twin.hpp"

#include <optional>

#if __has_include(<Eigen/Cholesky>)
#include <Eigen/Cholesky>
#endif

namespace gramian {
namespace {

constexpr Ridge kRidge{1e-4, true};
constexpr uint32_t kDistinct = 8;              // problems that are drawn; a batch repeats them
constexpr uint32_t kTokens = 256;              // of recursive least squares
constexpr uint64_t kMostNaiveFloats = 500'000; // read and written: a textbook's kernel takes too long over more

struct SolveSize {
    uint32_t unknowns;
    uint32_t columns;
    uint32_t batch;
};

/// a = K^T K / P of twice as many normal rows as unknowns.
void draw(Problem& problem, const SolveSize& size)
{
    const size_t n = size.unknowns;
    const size_t columns = size.columns;
    std::vector<float>& a = problem.input("a", {size.batch, size.unknowns, size.unknowns});
    std::vector<float>& rhs = problem.input("rhs", {size.batch, size.unknowns, size.columns});
    std::vector<double> k((2 * n + 3) * n);
    for (size_t b = 0; b < std::min(size.batch, kDistinct); ++b) {
        for (double& value : k) value = problem.random().normal();
        for (size_t i = 0; i < n; ++i) {
            for (size_t j = 0; j <= i; ++j) {
                double sum = 0;
                for (size_t t = 0; t < 2 * n + 3; ++t) sum += k[t * n + i] * k[t * n + j];
                a[(b * n + i) * n + j] = a[(b * n + j) * n + i] = static_cast<float>(sum / static_cast<double>(n));
            }
        }
        for (size_t i = 0; i < n * columns; ++i) {
            rhs[b * n * columns + i] = static_cast<float>(problem.random().normal());
        }
    }
    for (size_t b = kDistinct; b < size.batch; ++b) {
        std::copy_n(&a[b % kDistinct * n * n], n * n, &a[b * n * n]);
        std::copy_n(&rhs[b % kDistinct * n * columns], n * columns, &rhs[b * n * columns]);
    }
}

void prepare(Problem& problem, const SolveSize& size)
{
    draw(problem, size);
    const std::vector<double> a = problem.doubles("a");
    const std::vector<double> rhs = problem.doubles("rhs");
    const size_t n = size.unknowns;
    const size_t each = n * size.columns;
    std::vector<double>& x =
        problem.expect("x", {size.batch, size.unknowns, size.columns}, {5e-6, 2e-5}); // condition some 30
    for (size_t b = 0; b < std::min(size.batch, kDistinct); ++b) {
        twin::ridge_solve<double>(&a[b * n * n], nullptr, &rhs[b * each], &x[b * each], size.unknowns, size.columns,
                                  static_cast<float>(kRidge.alpha), kRidge.is_relative);
    }
    for (size_t b = kDistinct; b < size.batch; ++b) std::copy_n(&x[b % kDistinct * each], each, &x[b * each]);
}

/// Throws Error(internal) where x is not what the problem expects.
void check_solution(const char* whose, const Problem& problem, const std::vector<float>& x)
{
    for (const Expected& expected : problem.expected()) {
        if (expected.name != "x") continue;
        const CaseResult result = compare(expected, {"x", expected.shape, x});
        if (result.status != CaseStatus::pass) raise(Status::internal, "{}: {}", whose, result.reason);
    }
}

#if __has_include(<Eigen/Cholesky>)
/// Factor and solve of every problem of the batch, in one thread. Eigen reports nothing; it only solves.
std::function<void()> eigen(Device& /*device*/, const Problem& problem)
{
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    struct Work {
        std::vector<float> a, rhs, x;
        Shape shape;
        std::optional<Eigen::LLT<Eigen::MatrixXf>> factor;
    };
    const auto floats = [&](const char* name) {
        const std::vector<double> values = problem.doubles(name);
        return std::vector<float>(values.begin(), values.end());
    };
    auto work = std::make_shared<Work>();
    work->a = floats("a");
    work->rhs = floats("rhs");
    work->x.resize(work->rhs.size());
    work->shape = problem.shape("rhs");
    work->factor.emplace(work->shape[1]);
    const auto solve = [work] {
        const Eigen::Index n = work->shape[1];
        const Eigen::Index columns = work->shape[2];
        Eigen::MatrixXf a(n, n);
        for (Eigen::Index b = 0; b < work->shape[0]; ++b) {
            a = Eigen::Map<const Matrix>(&work->a[static_cast<size_t>(b * n * n)], n, n);
            a.diagonal().array() += static_cast<float>(kRidge.alpha) * a.trace() / static_cast<float>(n);
            work->factor->compute(a);
            const auto at = static_cast<size_t>(b * n * columns);
            Eigen::Map<Matrix>(&work->x[at], n, columns) =
                work->factor->solve(Eigen::Map<const Matrix>(&work->rhs[at], n, columns));
        }
    };
    solve();
    check_solution("Eigen", problem, work->x);
    return solve;
}
#else
std::function<void()> eigen(Device& /*device*/, const Problem& /*problem*/)
{
    return nullptr;
}
#endif

std::function<void()> naive(Device& device, const Problem& problem)
{
    if (device.caps().is_host || !NaiveSolve::fits(device.caps(), problem)) return nullptr; // no kernel, no comparison
    auto solve = std::make_shared<NaiveSolve>(device, problem, static_cast<float>(kRidge.alpha));
    solve->run();
    check_solution("textbook's kernel", problem, solve->solution());
    return [solve] { solve->run(); };
}

/// One problem of this size, solved in a submission of its own.
std::function<void()> resolve(Device& device, const SolveSize& size)
{
    if (device.caps().is_host) return nullptr; // no launch, no comparison
    Problem problem(0);
    prepare(problem, size);
    auto work =
        std::make_shared<OperatorProgram>(device, "ridge_solve", ridge_attributes(kRidge), problem.inputs(), false);
    work->program().run();
    for (const NamedArray& output : work->outputs()) {
        if (output.name == "x") check_solution("solve", problem, output.values);
    }
    return [work] { work->program().run(); };
}

Benchmark batch_solve(const SolveSize& size)
{
    const std::string name = fmt::format("solve.p{}_k{}_b{}", size.unknowns, size.columns, size.batch);
    const uint64_t floats = uint64_t{size.unknowns} * (size.unknowns + 2 * size.columns) * size.batch;
    std::vector<Rival> rivals{{&BenchmarkResult::eigen_ratio, eigen, 1, &BenchmarkResult::peer}};
    if (size.batch >= 64 && floats <= kMostNaiveFloats) rivals.push_back({&BenchmarkResult::naive_ratio, naive});
    return {name,
            {{"unknowns", size.unknowns}, {"columns", size.columns}, {"batch", size.batch}},
            {name, "ridge_solve", ridge_attributes(kRidge), [=](Problem& problem) { prepare(problem, size); }},
            false,
            4 * floats,
            std::move(rivals)};
}

/// T tokens of one problem, what judges the solution afterwards left out; what one of them costs stands beside a solve
/// of its size.
Benchmark recursive(uint32_t unknowns, uint32_t columns)
{
    const std::string name = fmt::format("solve.rls_d{}", unknowns);
    const auto draw_rows = [=](Problem& problem) {
        problem.normal("k", {1, kTokens, unknowns});
        problem.normal("v", {1, kTokens, columns});
        expect_solution_only(problem, {1, false}, {5e-5, 3e-4});
    };
    const Rival solve{&BenchmarkResult::resolve_ratio,
                      [=](Device& device, const Problem&) {
                          return resolve(device, {unknowns, columns, 1});
                      },
                      kTokens};
    return {name,
            {{"unknowns", unknowns}, {"columns", columns}, {"batch", 1}, {"tokens", kTokens}},
            {name, "ridge_solve", Json{{"solver", "rls"}, {"alpha", 1}}, draw_rows},
            false,
            uint64_t{8} * kTokens * unknowns * (unknowns + columns),
            {solve},
            "rls"};
}

} // namespace

std::vector<Benchmark> solve_benchmarks()
{
    std::vector<Benchmark> table;
    for (const auto& [unknowns, columns] : {std::pair{8U, 1U}, {16U, 4U}, {32U, 8U}, {64U, 8U}, {128U, 8U}}) {
        for (const uint32_t batch : {1U, 64U, 256U, 1024U}) table.push_back(batch_solve({unknowns, columns, batch}));
    }
    table.push_back(recursive(16, 4));
    table.push_back(recursive(32, 8));
    table.push_back(recursive(64, 8));
    return table;
}

} // namespace gramian
