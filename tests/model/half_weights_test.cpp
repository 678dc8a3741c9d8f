// Weights that a file holds in F16: the device keeps them so, and computes what the same numbers give in F32.
#include "session_run.hpp"

using namespace gramian;

namespace {

std::vector<uint16_t> halves_of(const std::vector<float>& values)
{
    std::vector<uint16_t> halves;
    for (const float value : values) halves.push_back(float_to_half(value));
    return halves;
}

std::vector<float> rounded(std::vector<float> values)
{
    for (float& value : values) value = half_to_float(float_to_half(value));
    return values;
}

/// The same model twice: its matrices in F16, and in F32 with the values that they round to.
struct Twins {
    ModelFile half;
    ModelFile full;

    void store(const std::string& name, std::vector<uint64_t> shape, const std::vector<float>& values)
    {
        half.store(name, DType::f16, shape, halves_of(values));
        full.store(name, std::move(shape), rounded(values));
    }
    void describe(const char* json)
    {
        half.json = Json::parse(json);
        full.json = half.json;
    }
};

/// x [67] -> linear -> GRU -> LSTM -> linear -> y, in odd sizes.
Twins recurrent_twins()
{
    constexpr uint32_t kIn = 67, kWide = 35, kGru = 33, kLstm = 21;
    Twins twins;
    twins.describe(R"({"version":1,"name":"halves","inputs":[{"name":"x","size":67}],
        "outputs":[{"name":"y","size":3}],"nodes":[
        {"op":"linear","in":["x"],"out":["h"],"weights":{"weight":"a","bias":"a_bias"}},
        {"op":"gru","in":["h"],"out":["g"],"weights":{"weight_ih":"g_ih","weight_hh":"g_hh"}},
        {"op":"lstm","in":["g"],"out":["l"],"weights":{"weight_ih":"l_ih","weight_hh":"l_hh"}},
        {"op":"linear","in":["l"],"out":["y"],"weights":{"weight":"b"}}]})");
    const auto add = [&](const char* name, uint32_t rows, uint32_t columns, uint64_t seed) {
        twins.store(name, {rows, columns}, random_values(seed, size_t{rows} * columns, 0.2));
    };
    add("a", kWide, kIn, 1);
    add("g_ih", 3 * kGru, kWide, 2);
    add("g_hh", 3 * kGru, kGru, 3);
    add("l_ih", 4 * kLstm, kGru, 4);
    add("l_hh", 4 * kLstm, kLstm, 5);
    add("b", 3, kLstm, 6);
    const std::vector<float> bias = random_values(7, kWide);
    twins.half.store("a_bias", {kWide}, bias);
    twins.full.store("a_bias", {kWide}, bias);
    return twins;
}

/// Each of the tokens through an embedding of 128 channels.
std::vector<float> looked_up(const ModelFile& file, uint32_t rows)
{
    const Model model = file.parse(test_device());
    Session session = make_session(model, 1);
    std::vector<float> all;
    for (uint32_t row = 0; row < rows; ++row) {
        const std::vector<float> one = step(session, {static_cast<float>(row)});
        all.insert(all.end(), one.begin(), one.end());
    }
    return all;
}

ModelFile embedding_model(uint32_t channels)
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"table","inputs":[{"name":"x","size":1}],
        "outputs":[{"name":"y","size":0}],
        "nodes":[{"op":"embedding","in":["x"],"out":["y"],"weights":{"weight":"w"}}]})");
    file.json["outputs"][0]["size"] = channels;
    return file;
}

} // namespace

TEST_CASE("half weights: a model in F16 takes half the bytes and gives the bits of the same numbers in F32")
{
    const Twins twins = recurrent_twins();
    const Model half = twins.half.parse(test_device());
    const Model full = twins.full.parse(test_device());
    CHECK(half.parameter_count() == full.parameter_count());
    CHECK(half.half_parameter_count() == half.parameter_count() - 35); // all but the bias
    CHECK(full.half_parameter_count() == 0);
    CHECK(static_cast<double>(half.weight_bytes()) < 0.52 * static_cast<double>(full.weight_bytes()));
    Session half_session = make_session(half, 5);
    Session full_session = make_session(full, 5);
    for (uint64_t token = 0; token < 4; ++token) {
        const std::vector<float> x = random_values(100 + token, 5 * 67);
        CHECK(same_bits(step(half_session, x), step(full_session, x)));
    }
}

TEST_CASE("half weights: every half below 64 is read as the number that it is, on every device")
{
    constexpr uint32_t kChannels = 128;
    std::vector<uint16_t> halves;
    for (uint32_t bits = 0; bits < 0x5400; ++bits) { // 0x5400: 64
        halves.push_back(static_cast<uint16_t>(bits));
        halves.push_back(static_cast<uint16_t>(bits | 0x8000U));
    }
    std::vector<float> values;
    for (const uint16_t half : halves) values.push_back(half_to_float(half));
    const auto rows = static_cast<uint32_t>(halves.size() / kChannels);
    REQUIRE(halves.size() == size_t{rows} * kChannels);
    ModelFile file = embedding_model(kChannels);
    file.store("w", DType::f16, {rows, kChannels}, halves);
    CHECK(file.parse(test_device()).half_parameter_count() == halves.size());
    CHECK(same_bits(looked_up(file, rows), values));
}

TEST_CASE("half weights: rows of odd size begin in the middle of a word")
{
    ModelFile file = embedding_model(3);
    const std::vector<float> values = rounded(random_values(8, 15));
    file.store("w", DType::f16, {5, 3}, halves_of(values));
    CHECK(file.parse(test_device()).half_parameter_count() == 15);
    CHECK(same_bits(looked_up(file, 5), values));
}

TEST_CASE("half weights: a tensor with a number too large to be kept in halves becomes fp32, and stays exact")
{
    for (const float value : {63.96875F, 64.0F, -64.0F, 65'504.0F}) {
        CAPTURE(value);
        ModelFile file = embedding_model(3);
        std::vector<float> values = {value, 0.5F, 0x1p-24F};
        file.store("w", DType::f16, {1, 3}, halves_of(values));
        CHECK(file.parse(test_device()).half_parameter_count() == (value == 63.96875F ? 3 : 0));
        CHECK(same_bits(looked_up(file, 1), values));
    }
}

TEST_CASE("half weights: a tensor that two nodes share is kept and counted once")
{
    ModelFile file = feedforward_model(3, 3);
    file.store("w", DType::f16, {3, 3}, halves_of(random_values(9, 9)));
    const uint64_t before = file.parse(test_device()).weight_bytes();
    repeat_layer(file);
    const Model shared = file.parse(test_device());
    CHECK(shared.weight_bytes() == before);
    CHECK(shared.half_parameter_count() == 9);
}

TEST_CASE("half weights: where the self-test refused the kernel, the weights become fp32 and nothing else changes")
{
    Device& device = test_device();
    const Twins twins = recurrent_twins();
    const std::vector<float> x = random_values(100, 67);
    const auto answer = [&](const Model& model) {
        Session session = make_session(model, 1);
        return step(session, x);
    };
    const std::vector<float> before = answer(twins.half.parse(device));
    device.refuse({{"linear_halves", "a test"}, {"gated_cell_halves", "a test"}});
    const Model widened = twins.half.parse(device);
    CHECK((widened.half_parameter_count() == 0) == !device.caps().is_host); // a host refuses no kernel: it runs none
    CHECK(same_bits(answer(widened), before));
    device.refuse({});
}
