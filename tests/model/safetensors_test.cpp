#include "model/safetensors.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "refused.hpp"

#include <cmath>
#include <cstring>
#include <limits>

using namespace gramian;

namespace {

using Bytes = std::vector<std::byte>;

template <class Number>
Bytes bytes_of(const std::vector<Number>& numbers)
{
    const auto bytes = std::as_bytes(std::span(numbers));
    return {bytes.begin(), bytes.end()};
}

Bytes file_of_length(uint64_t header_length, std::string_view header, size_t data_bytes)
{
    Bytes bytes = bytes_of<uint64_t>({header_length});
    const auto text = std::as_bytes(std::span(header));
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.resize(bytes.size() + data_bytes);
    return bytes;
}

Bytes file_of(std::string_view header, size_t data_bytes = 0)
{
    return file_of_length(header.size(), header, data_bytes);
}

/// A header of one tensor "w", whose entry is `entry`.
std::string one(std::string_view entry)
{
    return fmt::format(R"({{"w":{}}})", entry);
}

/// The same with the fields of an F32 tensor of 8 bytes, one of which is replaced.
std::string shape_of(std::string_view shape)
{
    return one(fmt::format(R"({{"dtype":"F32","shape":{},"data_offsets":[0,8]}})", shape));
}
std::string offsets_of(std::string_view offsets)
{
    return one(fmt::format(R"({{"dtype":"F32","shape":[2],"data_offsets":{}}})", offsets));
}

void refused(Bytes bytes, std::string_view words)
{
    refused(Status::invalid_model, words, [&] { SafetensorsFile::parse(std::move(bytes), "bad.safetensors"); });
}

void refused_to_write(const TensorToWrite& tensor, std::string_view words)
{
    refused(Status::invalid_argument, words, [&] { serialize_safetensors(std::span(&tensor, 1), {}); });
}

/// A valid file with every kind of tensor.
Bytes valid_file()
{
    static const Bytes f32 = bytes_of<float>({1, -2, 3, 0.5f, std::nanf(""), 6});
    static const Bytes f16 = bytes_of<uint16_t>({0x3C00, 0xC000, 0x0001});
    static const Bytes bf16 = bytes_of<uint16_t>({0x3F80, 0xC000});
    static const Bytes f64 = bytes_of<double>({0.1, 1e300});
    static const Bytes u8 = bytes_of<uint8_t>({1, 2, 3});
    static const Bytes i64 = bytes_of<int64_t>({-1});
    const std::vector<TensorToWrite> tensors = {
        {"a.u8", DType::u8, {3}, u8},         {"enc.weight", DType::f32, {2, 3}, f32}, {"half", DType::f16, {3}, f16},
        {"brain", DType::bf16, {1, 2}, bf16}, {"double", DType::f64, {2}, f64},        {"count", DType::i64, {}, i64},
        {"none", DType::f32, {4, 0}, {}},
    };
    return serialize_safetensors(tensors, {{"gramian.model", R"({"version":1})"}, {"note", "ü \" \n"}});
}

} // namespace

TEST_CASE("safetensors: what is written is read back")
{
    const SafetensorsFile file = SafetensorsFile::parse(valid_file(), "good");
    CHECK(file.metadata().at("gramian.model") == R"({"version":1})");
    CHECK(file.metadata().at("note") == "ü \" \n");
    REQUIRE(file.tensors().size() == 7);
    for (size_t i = 1; i < file.tensors().size(); ++i) CHECK(file.tensors()[i - 1].name < file.tensors()[i].name);

    const FileTensor* weight = file.find("enc.weight");
    REQUIRE(weight != nullptr);
    CHECK(weight->dtype == DType::f32);
    CHECK(weight->shape == std::vector<uint64_t>{2, 3});
    CHECK(weight->element_count() == 6);
    const std::vector<float> values = to_float(*weight);
    CHECK(values[1] == -2.0f);
    CHECK(std::isnan(values[4])); // the numbers are the model loader's to judge
    CHECK(file.find("count")->element_count() == 1);
    CHECK(file.find("none")->element_count() == 0);
    CHECK(file.find("enc.weigh") == nullptr);
    CHECK(file.find("") == nullptr);
    CHECK(file.find("zzz") == nullptr);
}

TEST_CASE("safetensors: writing what was read gives the same bytes, with the data on a multiple of 8")
{
    const Bytes bytes = valid_file();
    const SafetensorsFile file = SafetensorsFile::parse(bytes, "good");
    CHECK(serialize_safetensors(file.tensors(), file.metadata()) == bytes);
    uint64_t header_length = 0;
    std::memcpy(&header_length, bytes.data(), 8);
    CHECK(header_length % 8 == 0);
    for (const FileTensor& tensor : file.tensors())
        CHECK(static_cast<size_t>(tensor.data.data() - file.bytes().data()) % dtype_size(tensor.dtype) == 0);
}

TEST_CASE("safetensors: each floating-point type becomes float and double")
{
    const SafetensorsFile file = SafetensorsFile::parse(valid_file(), "good");
    CHECK(to_float(*file.find("half")) == std::vector<float>{1, -2, 0x1p-24f});
    CHECK(to_double(*file.find("half")) == std::vector<double>{1, -2, 0x1p-24});
    CHECK(to_float(*file.find("brain")) == std::vector<float>{1, -2});
    CHECK(to_double(*file.find("double")) == std::vector<double>{0.1, 1e300});
    CHECK(to_float(*file.find("double")) == std::vector<float>{0.1f, std::numeric_limits<float>::infinity()});
    CHECK(to_float(*file.find("none")).empty());
    refused(Status::invalid_model, "tensor \"a.u8\": expected F32, F16, BF16 or F64, found U8",
            [&] { to_float(*file.find("a.u8")); });
    refused(Status::invalid_model, "found I64", [&] { to_double(*file.find("count")); });
}

TEST_CASE("safetensors: a moved file keeps its tensors")
{
    SafetensorsFile file = SafetensorsFile::parse(valid_file(), "good");
    const FileTensor* before = file.find("enc.weight");
    const SafetensorsFile moved = std::move(file);
    CHECK(moved.find("enc.weight") == before);
    CHECK(to_float(*before)[0] == 1.0f);
}

TEST_CASE("safetensors: reads a tensor that is not aligned, an empty file and trailing spaces in the header")
{
    Bytes bytes = file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                          R"("w":{"dtype":"F32","shape":[],"data_offsets":[1,5]}})",
                          5);
    const float value = 2.5f;
    std::memcpy(bytes.data() + bytes.size() - 4, &value, 4);
    const SafetensorsFile file = SafetensorsFile::parse(bytes, "odd");
    CHECK(to_float(*file.find("w")) == std::vector<float>{2.5f});
    CHECK(SafetensorsFile::parse(file_of("{}    "), "empty").tensors().empty());
}

TEST_CASE("safetensors: refuses a header length that the file cannot hold")
{
    refused({}, "expected at least 8 bytes, found 0");
    refused(Bytes(7), "expected at least 8 bytes, found 7");
    refused(Bytes(8), "found a header length of 0");
    refused(file_of_length(3, "{}", 0), "expected a header of 3 bytes, found only 2 bytes");
    refused(file_of_length(100'000'000, "{}", 0), "expected a header of 100000000 bytes, found only 2 bytes");
    refused(file_of_length(100'000'001, "{}", 0), "at most 100000000 bytes, found a header length of 100000001");
    refused(file_of_length(~uint64_t{0}, "{}", 0), "found a header length of 18446744073709551615");
}

TEST_CASE("safetensors: refuses a header that is not one JSON object")
{
    refused(file_of("[1]"), "expected a header that starts with '{', found byte 0x5b");
    refused(file_of(" {}"), "expected a header that starts with '{', found byte 0x20");
    refused(file_of("\xEF\xBB\xBF{}"), "expected a header that starts with '{', found byte 0xef");
    refused(file_of("{"), "bad.safetensors: header: byte 2: ");
    refused(file_of("{w:1}"), "expected string literal");
    refused(file_of("{} {}"), "byte 4: ");
    refused(file_of("{}x"), "byte 3: ");
    refused(file_of(std::string_view("{}\0{}", 5)), "byte 3: expected JSON text, found a NUL byte");
    refused(file_of("{\"\xFF\":{}}"), "ill-formed UTF-8");
    refused(file_of("{\"\xC0\xAF\":{}}"), "ill-formed UTF-8");
    refused(file_of(R"({"\ud800":{}})"), "surrogate");
    refused(file_of(R"({"w":1e999})"), "number overflow");
    refused(file_of(R"({"w":NaN})"), "byte 6: ");
}

TEST_CASE("safetensors: refuses duplicate keys at every level")
{
    const std::string_view entry = R"({"dtype":"F32","shape":[],"data_offsets":[0,4]})";
    refused(file_of(fmt::format(R"({{"w":{0},"w":{0}}})", entry), 4), "duplicate key \"w\"");
    refused(file_of(R"({"\u0077":{},"w":{}})"), "byte 16: duplicate key \"w\"");
    refused(file_of(R"({"__metadata__":{},"__metadata__":{}})"), "duplicate key \"__metadata__\"");
    refused(file_of(R"({"__metadata__":{"a":"1","a":"2"}})"), "duplicate key \"a\"");
    refused(file_of(one(R"({"dtype":"F32","dtype":"F64"})")), "duplicate key \"dtype\"");
}

TEST_CASE("safetensors: refuses deep nesting and endless lists before they cost memory")
{
    refused(file_of("{\"w\":" + std::string(64, '[') + std::string(64, ']') + "}"), "nested deeper than 64 levels");
    refused(file_of("{\"w\":" + std::string(1'000'000, '[')), "byte 69: nested deeper than 64 levels");
    std::string list = "{\"w\":[0";
    for (size_t i = 0; i < kMaxJsonValues; ++i) list += ",0";
    refused(file_of(list + "]}"), "more than 4000000 values");
}

TEST_CASE("safetensors: refuses metadata that is not an object of strings")
{
    refused(file_of(R"({"__metadata__":[]})"), "__metadata__: expected an object of strings, found an array of 0");
    refused(file_of(R"({"__metadata__":null})"), "__metadata__: expected an object of strings, found null");
    refused(file_of(R"({"__metadata__":{"a":1}})"), "__metadata__: \"a\": expected a string, found the number 1");
    refused(file_of(R"({"__metadata__":{"a":{}}})"), "__metadata__: \"a\": expected a string, found an object of 0");
}

TEST_CASE("safetensors: refuses an entry that is not exactly dtype, shape and data_offsets")
{
    refused(file_of(one("3")), "tensor \"w\": expected an object, found the number 3");
    refused(file_of(one("[]")), "tensor \"w\": expected an object, found an array of 0");
    refused(file_of(one(R"({"dtype":"F32","shape":[],"data_offsets":[0,4],"x":0})"), 4),
            "tensor \"w\": unknown field \"x\", expected only dtype, shape, data_offsets");
    refused(file_of(one(R"({"shape":[],"data_offsets":[0,4]})"), 4), "tensor \"w\": \"dtype\" is missing");
    refused(file_of(one(R"({"dtype":"F32","data_offsets":[0,4]})"), 4), "tensor \"w\": \"shape\" is missing");
    refused(file_of(one(R"({"dtype":"F32","shape":[]})"), 4), "tensor \"w\": \"data_offsets\" is missing");
}

TEST_CASE("safetensors: refuses a dtype that it does not know")
{
    refused(file_of(one(R"({"dtype":"F8","shape":[],"data_offsets":[0,1]})"), 1),
            "unknown dtype \"F8\", expected one of F32, F16, BF16, F64, I32, I64, U8");
    refused(file_of(one(R"({"dtype":"f32","shape":[],"data_offsets":[0,4]})"), 4), "unknown dtype \"f32\"");
    refused(file_of(one(R"({"dtype":"","shape":[],"data_offsets":[0,4]})"), 4), "unknown dtype \"\"");
    refused(file_of(one(R"({"dtype":4,"shape":[],"data_offsets":[0,4]})"), 4),
            "\"dtype\": expected a string, found the number 4");
}

TEST_CASE("safetensors: refuses a shape that is not a list of sizes")
{
    refused(file_of(shape_of("2"), 8), "\"shape\": expected an array, found the number 2");
    refused(file_of(shape_of("{}"), 8), "\"shape\": expected an array, found an object of 0");
    refused(file_of(shape_of("[\"2\"]"), 8),
            "\"shape\": expected an integer from 0 to 9223372036854775807, found the string");
    refused(file_of(shape_of("[-2]"), 8), "found the number -2");
    refused(file_of(shape_of("[-0,2]"), 8), "found the number -0.0");
    refused(file_of(shape_of("[2.0]"), 8), "found the number 2.0");
    refused(file_of(shape_of("[2e0]"), 8), "found the number 2.0");
    refused(file_of(shape_of("[9223372036854775808]"), 8), "found the number 9223372036854775808");
    refused(file_of(shape_of("[18446744073709551616]"), 8), "found the number 1.8446744073709552e+19");
    refused(file_of(shape_of("[null]"), 8), "found null");
    refused(file_of(shape_of("[[2]]"), 8), "found an array of 1");
    refused(file_of(shape_of("[1,1,1,1,1,1,1,1,2]"), 8), "expected a rank of at most 8, found 9");
}

TEST_CASE("safetensors: refuses a shape whose product overflows, wherever a zero stands")
{
    refused(file_of(shape_of("[4294967296,4294967296]"), 8), "shape [4294967296, 4294967296] overflows 64 bits");
    refused(file_of(shape_of("[4611686018427387904]"), 8), "shape [4611686018427387904] overflows 64 bits");
    refused(file_of(shape_of("[0,4294967296,4294967296]"), 8), "overflows 64 bits");
    refused(file_of(shape_of("[4294967296,4294967296,0]"), 8), "overflows 64 bits");
    // 2 (2^61 + 1) elements of 4 bytes: 8 bytes, modulo 2^64.
    refused(file_of(shape_of("[2,2305843009213693953]"), 8), "overflows 64 bits");
}

TEST_CASE("safetensors: refuses offsets that are not two integers")
{
    refused(file_of(offsets_of("8"), 8), "\"data_offsets\": expected an array, found the number 8");
    refused(file_of(offsets_of("[]"), 8), "\"data_offsets\": expected two integers, found an array of 0");
    refused(file_of(offsets_of("[8]"), 8), "expected two integers, found an array of 1");
    refused(file_of(offsets_of("[0,8,8]"), 8), "expected two integers, found an array of 3");
    refused(file_of(offsets_of("[0,\"8\"]"), 8),
            "expected an integer from 0 to 9223372036854775807, found the string \"8\"");
    refused(file_of(offsets_of("[0,8.0]"), 8), "found the number 8.0");
    refused(file_of(offsets_of("[0,8e0]"), 8), "found the number 8.0");
    refused(file_of(offsets_of("[-0,8]"), 8), "found the number -0.0");
    refused(file_of(offsets_of("[-8,0]"), 8), "found the number -8");
    refused(file_of(offsets_of("[0,9223372036854775808]"), 8), "found the number 9223372036854775808");
    refused(file_of(offsets_of("[0,1e3]"), 8), "found the number 1000.0");
    refused(file_of(offsets_of("[true,8]"), 8), "found true");
}

TEST_CASE("safetensors: refuses an offset past the end")
{
    refused(file_of(offsets_of("[8,0]"), 8), "\"data_offsets\": expected begin <= end, found [8, 0]");
    refused(file_of(offsets_of("[0,8]"), 7), "end past the data: expected at most 7, found 8");
    refused(file_of(offsets_of("[8,16]"), 8), "end past the data: expected at most 8, found 16");
    refused(file_of(offsets_of("[9223372036854775799,9223372036854775807]"), 8), "end past the data");
    refused(file_of(offsets_of("[9,9]"), 8), "end past the data: expected at most 8, found 9");
}

TEST_CASE("safetensors: refuses bytes that do not agree with the shape")
{
    refused(file_of(shape_of("[3]"), 8), "tensor \"w\": expected 12 bytes for F32 [3], found 8");
    refused(file_of(shape_of("[0]"), 8), "expected 0 bytes for F32 [0], found 8");
    refused(file_of(shape_of("[]"), 8), "expected 4 bytes for F32 [], found 8");
    refused(file_of(offsets_of("[0,7]"), 7), "expected 8 bytes for F32 [2], found 7");
    const auto halves = [](size_t bytes) {
        return file_of(one(fmt::format(R"({{"dtype":"F16","shape":[3],"data_offsets":[0,{}]}})", bytes)), bytes);
    };
    CHECK(SafetensorsFile::parse(halves(6), "halves").tensors().size() == 1);
    refused(halves(5), "tensor \"w\": expected 6 bytes for F16 [3], found 5");
    refused(halves(7), "expected 6 bytes for F16 [3], found 7");
    refused(halves(12), "expected 6 bytes for F16 [3], found 12");
}

TEST_CASE("safetensors: refuses data that the tensors do not tile")
{
    const auto two = [](int a_begin, int a_end, int b_begin, int b_end) {
        return fmt::format(R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},)"
                           R"("b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
                           a_end - a_begin, a_begin, a_end, b_end - b_begin, b_begin, b_end);
    };
    CHECK(SafetensorsFile::parse(file_of(two(4, 8, 0, 4), 8), "swapped").tensors().size() == 2);
    CHECK(SafetensorsFile::parse(file_of(two(4, 4, 0, 4), 4), "empty at the end").tensors().size() == 2);
    refused(file_of(two(0, 4, 3, 8), 8), "tensor \"b\" overlaps tensor \"a\": expected it to begin at 4, found 3");
    refused(file_of(two(0, 8, 0, 8), 8), "overlaps");
    refused(file_of(two(0, 8, 2, 2), 8), "tensor \"b\" overlaps tensor \"a\"");
    refused(file_of(two(0, 3, 4, 8), 8),
            "a hole between tensor \"a\" and tensor \"b\": expected it to begin at 3, found 4");
    refused(file_of(offsets_of("[1,9]"), 9), "a hole between the start and tensor \"w\"");
    refused(file_of(offsets_of("[0,8]"), 9),
            "trailing bytes after tensor \"w\": expected the data to end at 8, found 9");
    refused(file_of("{}", 1), "trailing bytes after the start: expected the data to end at 0, found 1");
}

TEST_CASE("safetensors: refuses names that are empty, too long or not printable")
{
    refused(file_of(R"({"":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4), "a tensor has an empty name");
    const auto named = [](const std::string& name) {
        return file_of(fmt::format(R"({{"{}":{{"dtype":"U8","shape":[],"data_offsets":[0,1]}}}})", name), 1);
    };
    CHECK(SafetensorsFile::parse(named(std::string(256, 'n')), "long").tensors().size() == 1);
    refused(named(std::string(257, 'n')), "expected a name of at most 256 bytes, found 257");
    refused(named("a\\u0000b"), "tensor \"a\\x00b\": a control character in the name");
    refused(named("a\\u001b[2J"), "tensor \"a\\x1b[2J\": a control character in the name");
}

TEST_CASE("safetensors: refuses more than 100,000 tensors and reads exactly that many")
{
    const auto many = [](size_t count, auto entry) {
        std::string header = "{\"__metadata__\":{}";
        for (size_t i = 0; i < count; ++i) header += fmt::format(",\"t{}\":{}", i, entry(i));
        return file_of(header + "}", count);
    };
    refused(many(100'001, [](size_t) { return "0"; }), "expected at most 100000 tensors, found 100001");
    const Bytes bytes = many(100'000, [](size_t i) {
        return fmt::format(R"({{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", i, i + 1);
    });
    const SafetensorsFile file = SafetensorsFile::parse(bytes, "many");
    CHECK(file.tensors().size() == 100'000);
    CHECK(serialize_safetensors(file.tensors(), {}).size() > 100'000);
}

TEST_CASE("safetensors: messages stay short and printable, whatever the file holds")
{
    const std::string key(100'000, 'k');
    try {
        SafetensorsFile::parse(file_of(fmt::format("{{\"{0}\":0,\"{0}\":0}}", key)), "bad");
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(std::strlen(error.what()) < 400);
    }
    refused(file_of("{\"" + key + "\x1b\":0}"), "byte 100003: ");
}

TEST_CASE("safetensors: 2,000 mutations of a valid file parse or are refused")
{
    const Bytes valid = valid_file();
    uint64_t state = 0x5EED;
    const auto next = [&](size_t bound) { // splitmix64
        state += 0x9E37'79B9'7F4A'7C15u;
        uint64_t word = (state ^ (state >> 30)) * 0xBF58'476D'1CE4'E5B9u;
        word = (word ^ (word >> 27)) * 0x94D0'49BB'1331'11EBu;
        return static_cast<size_t>((word ^ (word >> 31)) % bound);
    };
    constexpr std::string_view kLetters = "{}[]\",:0123456789-.eE \\";
    int parsed = 0, refusals = 0;
    for (int round = 0; round < 2'000; ++round) {
        Bytes bytes = valid;
        for (size_t edits = 1 + next(4); edits > 0 && !bytes.empty(); --edits) {
            const auto at = static_cast<std::ptrdiff_t>(next(bytes.size()));
            switch (next(5)) {
                case 0:
                    bytes[static_cast<size_t>(at)] = static_cast<std::byte>(next(256));
                    break;
                case 1:
                    bytes[static_cast<size_t>(at)] = static_cast<std::byte>(kLetters[next(kLetters.size())]);
                    break;
                case 2:
                    bytes.erase(bytes.begin() + at);
                    break;
                case 3:
                    bytes.insert(bytes.begin() + at, static_cast<std::byte>(kLetters[next(kLetters.size())]));
                    break;
                default:
                    bytes.resize(static_cast<size_t>(at));
                    break;
            }
        }
        try {
            const SafetensorsFile file = SafetensorsFile::parse(bytes, "mutated");
            for (const FileTensor& tensor : file.tensors())
                CHECK(tensor.element_count() * dtype_size(tensor.dtype) == tensor.data.size());
            ++parsed;
        } catch (const Error& error) {
            CHECK(error.status() == Status::invalid_model);
            ++refusals;
        }
    }
    CHECK(parsed > 0);
    CHECK(refusals > 1'000);
}

TEST_CASE("safetensors: every truncation of a valid file is refused")
{
    const Bytes valid = valid_file();
    for (size_t size = 0; size < valid.size(); ++size) {
        const Bytes cut(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK_THROWS_AS(SafetensorsFile::parse(cut, "cut"), Error);
    }
}

TEST_CASE("safetensors: the writer refuses what the reader would")
{
    const Bytes four(4);
    refused_to_write({"", DType::f32, {}, four}, "empty name");
    refused_to_write({"__metadata__", DType::f32, {}, four}, "the name is reserved");
    refused_to_write({std::string(257, 'n'), DType::f32, {}, four}, "at most 256 bytes, found 257");
    refused_to_write({"w", DType::f32, {2}, four}, "expected 8 bytes for F32 [2], found 4");
    refused_to_write({"w", DType::f32, {1, 1, 1, 1, 1, 1, 1, 1, 1}, four}, "rank of at most 8, found 9");
    refused_to_write({"w", DType::f32, {uint64_t{1} << 63}, four}, "overflows 64 bits");
    refused_to_write({"\xFF", DType::f32, {}, four}, "in UTF-8");
    const std::vector<TensorToWrite> twins = {{"w", DType::f32, {}, four}, {"w", DType::u8, {4}, four}};
    refused(Status::invalid_argument, "two tensors are named \"w\"", [&] { serialize_safetensors(twins, {}); });
    refused(Status::invalid_argument, "in UTF-8", [&] { serialize_safetensors({}, {{"note", "\xFF"}}); });
}
