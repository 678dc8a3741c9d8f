// Whole models on recorded sequences: every case of tests/vectors/models, whole and in chunks, on the device and on the
// host, against answers that were computed elsewhere in double precision.
#include "arrays.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "session/session.hpp"
#include "test_device.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

using namespace gramian;

namespace {

struct ModelCase {
    std::filesystem::path folder;
    SafetensorsFile input;
    SafetensorsFile expected;
    std::vector<uint32_t> chunks;
    Json tolerance;

    explicit ModelCase(const std::filesystem::path& from)
        : folder(from), input(SafetensorsFile::load(from / "input.safetensors")),
          expected(SafetensorsFile::load(from / "expected.safetensors")),
          tolerance(Json::parse(expected.metadata().at("tolerance")))
    {
        for (const Json& chunk : Json::parse("[" + expected.metadata().at("chunks") + "]")) {
            chunks.push_back(chunk.get<uint32_t>());
        }
    }
};

std::vector<std::filesystem::path> case_folders()
{
    std::vector<std::filesystem::path> folders;
    for (const auto& entry : std::filesystem::directory_iterator(GRAMIAN_MODEL_VECTORS))
        folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    return folders;
}

/// The first output, [B, T, size], by prefill calls of `chunk` tokens (0: all at once).
std::vector<float> answers(const Model& model, const ModelCase& test, uint32_t chunk)
{
    const FileTensor& in = *test.input.find(model.inputs().at(0).name);
    const auto batch = static_cast<uint32_t>(in.shape.at(0));
    const auto tokens = static_cast<uint32_t>(in.shape.at(1));
    const size_t in_size = model.inputs()[0].size;
    const size_t out_size = model.outputs().at(0).size;
    const std::vector<float> x = to_float(in);
    std::vector<float> y(size_t{batch} * tokens * out_size);
    SessionOptions options;
    options.streams = batch;
    Session session(model, options);
    std::vector<uint32_t> streams(batch);
    std::iota(streams.begin(), streams.end(), 0U);
    const uint32_t step = chunk == 0 ? tokens : chunk;
    for (uint32_t first = 0; first < tokens; first += step) {
        const uint32_t count = std::min(step, tokens - first);
        std::vector<float> part;
        for (uint32_t b = 0; b < batch; ++b) {
            const auto begin = x.begin() + static_cast<ptrdiff_t>((size_t{b} * tokens + first) * in_size);
            part.insert(part.end(), begin, begin + static_cast<ptrdiff_t>(count * in_size));
        }
        std::vector<float> answer(size_t{batch} * count * out_size);
        const std::span<const float> inputs[] = {part};
        const std::span<float> outputs[] = {answer};
        session.prefill(streams, std::vector<uint32_t>(batch, count), inputs, outputs);
        for (uint32_t b = 0; b < batch; ++b) {
            std::copy_n(answer.begin() + static_cast<ptrdiff_t>(b * count * out_size), count * out_size,
                        y.begin() + static_cast<ptrdiff_t>((size_t{b} * tokens + first) * out_size));
        }
    }
    return y;
}

/// Both ratios within tolerance, or the largest difference within `abs`.
bool is_within(const std::vector<float>& found, const std::vector<double>& expected, const Json& tolerance)
{
    double squares = 0, reference = 0, worst = 0, largest = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        const double difference = std::abs(found[i] - expected[i]);
        if (!std::isfinite(difference)) return false;
        squares += difference * difference;
        reference += expected[i] * expected[i];
        worst = std::max(worst, difference);
        largest = std::max(largest, std::abs(expected[i]));
    }
    MESSAGE("rms ", std::sqrt(squares / reference), ", max ", worst / largest);
    return (std::sqrt(squares / reference) <= tolerance.at("rms") && worst / largest <= tolerance.at("max")) ||
           worst <= tolerance.value("abs", 0.0);
}

void check_all(Device& device)
{
    for (const std::filesystem::path& folder : case_folders()) {
        CAPTURE(folder.filename().string());
        const ModelCase test(folder);
        const Model model = Model::load(device, folder / "model.safetensors");
        const std::vector<double> expected = to_double(*test.expected.find(model.outputs().at(0).name));
        for (uint32_t chunk : test.chunks) {
            CAPTURE(chunk);
            const std::vector<float> found = answers(model, test, chunk);
            REQUIRE(found.size() == expected.size());
            CHECK(is_within(found, expected, test.tolerance));
        }
    }
}

} // namespace

TEST_CASE("model vectors: every model answers as recorded, whole and in chunks")
{
    CHECK(case_folders().size() >= 14);
    check_all(test_device());
}

TEST_CASE("model vectors: so does the host")
{
    check_all(host_device());
}
