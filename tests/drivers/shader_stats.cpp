// Compiles compute SPIR-V on the first Vulkan device of the loader and prints the driver's own statistics,
// one tab-separated line per shader. The pipeline layout is read from the SPIR-V. Meant for drivers that
// compile for a GPU that is not there: it dispatches nothing. `compile-report` runs it once a GPU.
//
//   shader_stats [--spec ID=VALUE]… [--subgroup N] SHADER.spv[:VALUE,…]…
//
// Values after a colon are those of the specialisation constants 0, 1, 2 …, all of them. Output:
//
// device NAME, DRIVER | begin SHADER | row SHADER subgroup registers spills scratch waves instructions code cycles JSON
//                                    | refused SHADER REASON
#define VOLK_IMPLEMENTATION
#define VK_NO_PROTOTYPES
#include <volk.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using std::string;

struct Refused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

static void check(VkResult result, const char* what)
{
    if (result < 0) throw Refused(string(what) + " returned " + std::to_string(result));
}

// ---- SPIR-V: only what the pipeline layout and the device limits need -------------------------------------

struct Module {
    using Id = uint32_t;
    // clang-format off
    enum Op {  // numbers of the SPIR-V specification
        kEntryPoint = 15, kExecutionMode = 16, kCapability = 17, kTypeFirst = 19, kTypeBool = 20, kTypeInt = 21,
        kTypeFloat = 22, kTypeVector = 23, kTypeMatrix = 24, kTypeArray = 28, kTypeRuntimeArray = 29, kTypeStruct = 30,
        kTypePointer = 32, kConstantTrue = 41, kConstantFalse = 42, kConstant = 43, kConstantNull = 46,
        kSpecConstantTrue = 48, kSpecConstantFalse = 49, kSpecConstant = 50, kSpecConstantOp = 52, kFunction = 54,
        kVariable = 59, kDecorate = 71, kMemberDecorate = 72, kExecutionModeId = 331
    };
    // clang-format on
    enum Decoration { kSpecId = 1, kBufferBlock = 3, kArrayStride = 6, kBinding = 33, kSet = 34, kOffset = 35 };
    enum Storage { kUniformConstant = 0, kUniform = 2, kWorkgroup = 4, kPushConstant = 9, kStorageBuffer = 12 };

    std::vector<uint32_t> words;
    std::map<Id, std::vector<uint32_t>> definition; // of types, constants, variables: opcode, then operands
    std::map<std::pair<Id, uint32_t>, uint32_t> decoration;
    std::map<std::pair<Id, uint32_t>, uint32_t> member_offset;
    std::vector<uint32_t> capabilities;
    std::vector<Id> variables;
    std::map<uint32_t, string> overrides; // specialisation constants from the command line
    string entry;
    uint64_t local_size[3] = {1, 1, 1};

    Module(const string& path, std::map<uint32_t, string> spec) : overrides(std::move(spec))
    {
        std::ifstream file(path, std::ios::binary);
        string bytes((std::istreambuf_iterator<char>(file)), {});
        words.resize(bytes.size() / 4);
        memcpy(words.data(), bytes.data(), words.size() * 4);
        if (!file || words.size() < 5 || words[0] != 0x07230203) throw Refused("not a SPIR-V file");
        std::vector<uint32_t> size_ids;
        Id size_constant = 0;
        for (size_t at = 5; at < words.size();) {
            const uint32_t op = words[at] & 0xffff, count = words[at] >> 16;
            if (count == 0 || at + count > words.size()) throw Refused("broken SPIR-V");
            const std::vector<uint32_t> a(words.begin() + at + 1, words.begin() + at + count);
            at += count;
            if (op == kFunction) break; // OpFunction: declarations end here
            if (op == kCapability) capabilities.push_back(a.at(0));
            if (op == kEntryPoint && a.at(0) == 5 && entry.empty())
                entry = reinterpret_cast<const char*>(&words[at - count + 3]);
            if (op == kExecutionMode && a.at(1) == 17 /* LocalSize */)
                for (int i = 0; i < 3; i++) local_size[i] = a.at(2 + i);
            if (op == kExecutionModeId && a.at(1) == 38) size_ids.assign(a.begin() + 2, a.end());
            if (op == kDecorate) {
                decoration[{a.at(0), a.at(1)}] = a.size() > 2 ? a[2] : 1;
                if (a[1] == 11 && a.size() > 2 && a[2] == 25) size_constant = a[0]; // BuiltIn WorkgroupSize
            }
            if (op == kMemberDecorate && a.at(2) == kOffset) member_offset[{a[0], a[1]}] = a.at(3);
            const bool is_type = op >= kTypeFirst && op <= kTypePointer;
            const bool is_value = (op >= kConstantTrue && op <= kSpecConstantOp) || op == kVariable;
            if (is_type || is_value) {
                auto& entry_of = definition[a.at(is_type ? 0 : 1)];
                entry_of = a;
                entry_of.insert(entry_of.begin(), op);
            }
            if (op == kVariable) variables.push_back(a.at(1));
        }
        if (entry.empty()) throw Refused("no compute entry point");
        if (size_constant) size_ids.assign(of(size_constant).begin() + 3, of(size_constant).end());
        for (size_t i = 0; i < size_ids.size() && i < 3; i++) local_size[i] = value(size_ids[i]);
    }

    uint32_t constant_count() const
    {
        std::set<uint32_t> numbers; // one may stand for a size of the workgroup and for a constant
        for (auto& [key, number] : decoration)
            if (key.second == kSpecId) numbers.insert(number);
        return uint32_t(numbers.size());
    }

    const std::vector<uint32_t>& of(Id id) const
    {
        auto found = definition.find(id);
        if (found == definition.end()) throw Refused("SPIR-V id " + std::to_string(id) + " not understood");
        return found->second;
    }

    uint32_t decorated(Id id, Decoration what, uint32_t otherwise) const
    {
        auto found = decoration.find({id, what});
        return found == decoration.end() ? otherwise : found->second;
    }

    // The integer a constant has after specialisation.
    uint64_t value(Id id) const
    {
        const auto& d = of(id);
        if (auto given = overrides.find(decorated(id, kSpecId, ~0u)); given != overrides.end())
            return given->second == "true" ? 1 : strtoull(given->second.c_str(), nullptr, 0);
        switch (d[0]) {
            case kConstantTrue:
            case kSpecConstantTrue:
                return 1;
            case kConstantFalse:
            case kConstantNull:
            case kSpecConstantFalse:
                return 0;
            case kConstant:
            case kSpecConstant:
                return d.at(3);
            case kSpecConstantOp:
                break;
            default:
                throw Refused("constant not understood");
        }
        if (d.at(3) == 81) return value(of(d.at(4)).at(3 + d.at(5))); // CompositeExtract, as in gl_WorkGroupSize.x
        const uint64_t x = value(d.at(4)), y = d.size() > 5 ? value(d[5]) : 0;
        switch (d.at(3)) { // the operation
            case 166:
                return x || y; // LogicalOr
            case 167:
                return x && y; // LogicalAnd
            case 168:
                return !x; // LogicalNot
            case 170:
                return x == y; // IEqual
            case 171:
                return x != y; // INotEqual
            case 172:
                return x > y; // UGreaterThan
            case 173:
                return int32_t(x) > int32_t(y); // SGreaterThan
            case 174:
                return x >= y; // UGreaterThanEqual
            case 175:
                return int32_t(x) >= int32_t(y); // SGreaterThanEqual
            case 176:
                return x < y; // ULessThan
            case 177:
                return int32_t(x) < int32_t(y); // SLessThan
            case 178:
                return x <= y; // ULessThanEqual
            case 179:
                return int32_t(x) <= int32_t(y); // SLessThanEqual
            case 128:
                return uint32_t(x + y); // IAdd
            case 130:
                return uint32_t(x - y); // ISub
            case 132:
                return uint32_t(x * y); // IMul
            case 134:                   // UDiv
            case 135:
                return y ? x / y : 0; // SDiv
            case 137:
                return y ? x % y : 0; // UMod
            case 169:
                return x ? y : value(d.at(6)); // Select
            case 194:
                return x >> y; // ShiftRightLogical
            case 196:
                return uint32_t(x << y); // ShiftLeftLogical
            case 197:
                return x | y; // BitwiseOr
            case 199:
                return x & y; // BitwiseAnd
            case 124:
                return x; // Bitcast
            default:
                throw Refused("OpSpecConstantOp " + std::to_string(d[3]) + " not understood");
        }
    }

    uint64_t size_of(Id type) const
    {
        const auto& d = of(type);
        switch (d[0]) {
            case kTypeBool:
                return 4;
            case kTypeInt:
            case kTypeFloat:
                return d.at(2) / 8;
            case kTypeVector:
            case kTypeMatrix:
                return size_of(d.at(2)) * d.at(3);
            case kTypeArray:
                return value(d.at(3)) * decorated(type, kArrayStride, uint32_t(size_of(d.at(2))));
            case kTypeRuntimeArray:
                return 0;
            case kTypeStruct: {
                uint64_t end = 0;
                for (uint32_t i = 0; i + 2 < d.size(); i++) {
                    auto offset = member_offset.find({type, i});
                    end = (offset == member_offset.end() ? end : offset->second) + size_of(d[2 + i]);
                }
                return end;
            }
            case kTypePointer:
                return 8;
            default:
                throw Refused("type not understood");
        }
    }

    uint64_t bytes_in(Storage storage) const
    {
        uint64_t sum = 0;
        for (Id id : variables)
            if (of(id).at(3) == storage) sum += size_of(of(of(id)[1]).at(3));
        return sum;
    }

    // Set number -> bindings.
    std::map<uint32_t, std::vector<VkDescriptorSetLayoutBinding>> bindings() const
    {
        std::map<uint32_t, std::map<uint32_t, VkDescriptorSetLayoutBinding>> sets; // aliased bindings count once
        for (Id id : variables) {
            const uint32_t storage = of(id).at(3);
            if (storage == kUniformConstant)
                throw Refused("only buffers are supported, the shader has an image or sampler");
            if (storage != kUniform && storage != kStorageBuffer) continue;
            Id type = of(of(id)[1]).at(3);
            uint32_t count = 1;
            if (of(type)[0] == kTypeRuntimeArray) throw Refused("array of descriptors without a size");
            if (of(type)[0] == kTypeArray) count = uint32_t(value(of(type).at(3))), type = of(type).at(2);
            const bool is_storage = storage == kStorageBuffer || decorated(type, kBufferBlock, 0);
            const uint32_t binding = decorated(id, kBinding, 0);
            sets[decorated(id, kSet, 0)][binding] = {
                binding, is_storage ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER : VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, count,
                VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
        }
        std::map<uint32_t, std::vector<VkDescriptorSetLayoutBinding>> result;
        for (auto& [set, of_set] : sets)
            for (auto& [number, binding] : of_set) result[set].push_back(binding);
        return result;
    }

    // Fills the bytes of every overridden constant with the width and kind its type asks for.
    void specialise(std::vector<VkSpecializationMapEntry>& entries, std::vector<char>& data) const
    {
        for (auto& [key, spec_id] : decoration) {
            auto given = overrides.find(spec_id);
            if (key.second != kSpecId || given == overrides.end()) continue;
            const auto& type = of(of(key.first).at(1));
            const size_t size = type[0] == kTypeBool ? 4 : type.at(2) / 8;
            uint64_t bits = value(key.first);
            if (type[0] == kTypeFloat) {
                if (size != 4) throw Refused("--spec of a float constant that is not 32 bits wide");
                const float number = strtof(given->second.c_str(), nullptr);
                memcpy(&bits, &number, 4);
            } else if (given->second[0] == '-') {
                bits = uint64_t(strtoll(given->second.c_str(), nullptr, 0));
            }
            entries.push_back({spec_id, uint32_t(data.size()), size});
            data.insert(data.end(), reinterpret_cast<char*>(&bits), reinterpret_cast<char*>(&bits) + size);
        }
    }
};

// ---- the device, with everything on that a compute shader may ask for ---------------------------------------

struct CooperativeMatrixFeatures { // newer than the headers of Debian 12
    VkStructureType sType;
    void* pNext;
    VkBool32 cooperativeMatrix, robustBufferAccess;
};

struct Device {
    VkPhysicalDevice physical{};
    VkDevice handle{};
    VkPhysicalDeviceProperties properties{};
    VkPhysicalDeviceSubgroupProperties subgroup{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceSubgroupSizeControlProperties sizes{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    VkPhysicalDeviceDriverProperties driver{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    std::vector<VkExtensionProperties> offered;
    std::vector<const char*> extensions;
    VkPhysicalDeviceFeatures2 core{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR statistics{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
    VkPhysicalDevice16BitStorageFeatures storage16{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    VkPhysicalDevice8BitStorageFeatures storage8{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES};
    VkPhysicalDeviceShaderFloat16Int8Features small{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES};
    VkPhysicalDeviceBufferDeviceAddressFeatures address{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES};
    VkPhysicalDeviceScalarBlockLayoutFeatures scalar{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SCALAR_BLOCK_LAYOUT_FEATURES};
    VkPhysicalDeviceShaderSubgroupExtendedTypesFeatures subgroup_types{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES};
    VkPhysicalDeviceSubgroupSizeControlFeatures size_control{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
    VkPhysicalDeviceShaderAtomicFloatFeaturesEXT atomic{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_FLOAT_FEATURES_EXT};
    CooperativeMatrixFeatures matrix{VkStructureType(1000506000), nullptr, 0, 0};

    bool offers(const char* name) const
    {
        for (auto& e : offered)
            if (!strcmp(e.extensionName, name)) return true;
        return false;
    }

    template <class T>
    bool chain(T& features, const char* extension, uint32_t core_since)
    {
        const bool extended = offers(extension);
        if (extended) extensions.push_back(extension);
        if (!extended && properties.apiVersion < core_since) return false;
        features.pNext = core.pNext;
        core.pNext = &features;
        return true;
    }

    Device()
    {
        if (volkInitialize() != VK_SUCCESS) throw Refused("no Vulkan loader");
        VkApplicationInfo app{VK_STRUCTURE_TYPE_APPLICATION_INFO};
        app.apiVersion = VK_API_VERSION_1_3;
        VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
        info.pApplicationInfo = &app;
        VkInstance instance;
        check(vkCreateInstance(&info, nullptr, &instance), "vkCreateInstance");
        volkLoadInstance(instance);
        uint32_t count = 1;
        check(vkEnumeratePhysicalDevices(instance, &count, &physical), "vkEnumeratePhysicalDevices");
        if (!count) throw Refused("the driver offers no device");
        vkGetPhysicalDeviceProperties(physical, &properties);
        vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
        offered.resize(count);
        vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, offered.data());

        constexpr uint32_t v11 = VK_API_VERSION_1_1, v12 = VK_API_VERSION_1_2, v13 = VK_API_VERSION_1_3, never = ~0u;
        if (!chain(statistics, "VK_KHR_pipeline_executable_properties", never))
            throw Refused(string(properties.deviceName) + " gives no compiler statistics");
        chain(storage16, "VK_KHR_16bit_storage", v11);
        chain(storage8, "VK_KHR_8bit_storage", v12);
        chain(small, "VK_KHR_shader_float16_int8", v12);
        chain(memory_model, "VK_KHR_vulkan_memory_model", v12);
        chain(address, "VK_KHR_buffer_device_address", v12);
        chain(scalar, "VK_EXT_scalar_block_layout", v12);
        chain(subgroup_types, "VK_KHR_shader_subgroup_extended_types", v12);
        chain(dot, "VK_KHR_shader_integer_dot_product", v13);
        chain(atomic, "VK_EXT_shader_atomic_float", never);
        chain(matrix, "VK_KHR_cooperative_matrix", never);
        const bool sized = chain(size_control, "VK_EXT_subgroup_size_control", v13);
        vkGetPhysicalDeviceFeatures2(physical, &core);
        core.features.robustBufferAccess = 0; // a fast path is what is shipped; bounds checks change the code
        VkPhysicalDeviceProperties2 more{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
        more.pNext = &driver;
        driver.pNext = &subgroup;
        if (sized) subgroup.pNext = &sizes;
        vkGetPhysicalDeviceProperties2(physical, &more);

        const float priority = 1;
        VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
        queue.queueCount = 1;
        queue.pQueuePriorities = &priority;
        VkDeviceCreateInfo create{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
        create.pNext = &core;
        create.queueCreateInfoCount = 1;
        create.pQueueCreateInfos = &queue;
        create.enabledExtensionCount = uint32_t(extensions.size());
        create.ppEnabledExtensionNames = extensions.data();
        check(vkCreateDevice(physical, &create, nullptr, &handle), "vkCreateDevice");
        volkLoadDevice(handle);
    }

    // A compiler given what its device does not offer may abort, so refuse first, naming what is missing.
    void require(const Module& m, uint32_t subgroup_size) const
    {
        const struct {
            uint32_t capability;
            VkBool32 present;
            const char* name;
        } needs[] = {{9, small.shaderFloat16, "shaderFloat16"},
                     {10, core.features.shaderFloat64, "shaderFloat64"},
                     {11, core.features.shaderInt64, "shaderInt64"},
                     {22, core.features.shaderInt16, "shaderInt16"},
                     {39, small.shaderInt8, "shaderInt8"},
                     {4433, storage16.storageBuffer16BitAccess, "storageBuffer16BitAccess"},
                     {4434, storage16.uniformAndStorageBuffer16BitAccess, "uniformAndStorageBuffer16BitAccess"},
                     {4435, storage16.storagePushConstant16, "storagePushConstant16"},
                     {4448, storage8.storageBuffer8BitAccess, "storageBuffer8BitAccess"},
                     {4449, storage8.uniformAndStorageBuffer8BitAccess, "uniformAndStorageBuffer8BitAccess"},
                     {4450, storage8.storagePushConstant8, "storagePushConstant8"},
                     {5345, memory_model.vulkanMemoryModel, "vulkanMemoryModel"},
                     {5347, address.bufferDeviceAddress, "bufferDeviceAddress"},
                     {6019, dot.shaderIntegerDotProduct, "shaderIntegerDotProduct"},
                     {6022, matrix.cooperativeMatrix, "cooperativeMatrix"},
                     {6033, atomic.shaderBufferFloat32AtomicAdd, "shaderBufferFloat32AtomicAdd"}};
        for (uint32_t c : m.capabilities) {
            for (auto& need : needs)
                if (need.capability == c && !need.present) throw Refused(string("device lacks ") + need.name);
            if (c >= 61 && c <= 68 && properties.apiVersion >= VK_API_VERSION_1_1 &&
                !(subgroup.supportedOperations >> (c - 61) & 1))
                throw Refused("device lacks subgroup operation bit " + std::to_string(c - 61));
        }
        auto limit = [](const char* what, uint64_t asked, uint64_t most) {
            if (asked > most)
                throw Refused(std::to_string(asked) + " " + what + ", the device allows " + std::to_string(most));
        };
        const auto& l = properties.limits;
        limit("invocations", m.local_size[0] * m.local_size[1] * m.local_size[2], l.maxComputeWorkGroupInvocations);
        for (int i = 0; i < 3; i++)
            limit("invocations in one dimension", m.local_size[i], l.maxComputeWorkGroupSize[i]);
        limit("bytes of shared memory", m.bytes_in(Module::kWorkgroup), l.maxComputeSharedMemorySize);
        limit("bytes of push constants", m.bytes_in(Module::kPushConstant), l.maxPushConstantsSize);
        uint64_t buffers = 0, sets = 0;
        for (auto& [set, of_set] : m.bindings()) {
            sets = set + 1;
            for (auto& b : of_set)
                buffers += b.descriptorType == VK_DESCRIPTOR_TYPE_STORAGE_BUFFER ? b.descriptorCount : 0;
        }
        limit("storage buffers", buffers, l.maxPerStageDescriptorStorageBuffers);
        limit("descriptor sets", sets, l.maxBoundDescriptorSets);
        if (subgroup_size &&
            (!size_control.subgroupSizeControl || !(sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) ||
             subgroup_size < sizes.minSubgroupSize || subgroup_size > sizes.maxSubgroupSize))
            throw Refused("subgroup size " + std::to_string(subgroup_size) + " not offered (" +
                          std::to_string(sizes.minSubgroupSize) + " to " + std::to_string(sizes.maxSubgroupSize) + ")");
    }

    VkPipeline compile(const Module& m, uint32_t subgroup_size) const
    {
        require(m, subgroup_size);
        VkShaderModuleCreateInfo code{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
        code.codeSize = m.words.size() * 4;
        code.pCode = m.words.data();
        VkShaderModule shader;
        check(vkCreateShaderModule(handle, &code, nullptr, &shader), "vkCreateShaderModule");

        const auto bindings = m.bindings();
        std::vector<VkDescriptorSetLayout> sets(bindings.empty() ? 0 : bindings.rbegin()->first + 1);
        for (uint32_t set = 0; set < sets.size(); set++) {
            VkDescriptorSetLayoutCreateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
            if (auto found = bindings.find(set); found != bindings.end()) {
                info.bindingCount = uint32_t(found->second.size());
                info.pBindings = found->second.data();
            }
            check(vkCreateDescriptorSetLayout(handle, &info, nullptr, &sets[set]), "vkCreateDescriptorSetLayout");
        }
        const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                       uint32_t(m.bytes_in(Module::kPushConstant) + 3) & ~3u};
        VkPipelineLayoutCreateInfo layout_info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
        layout_info.setLayoutCount = uint32_t(sets.size());
        layout_info.pSetLayouts = sets.data();
        layout_info.pushConstantRangeCount = push.size ? 1 : 0;
        layout_info.pPushConstantRanges = &push;
        VkPipelineLayout layout;
        check(vkCreatePipelineLayout(handle, &layout_info, nullptr, &layout), "vkCreatePipelineLayout");

        std::vector<VkSpecializationMapEntry> entries;
        std::vector<char> data;
        m.specialise(entries, data);
        const VkSpecializationInfo special{uint32_t(entries.size()), entries.data(), data.size(), data.data()};
        VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required{
            VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
        required.requiredSubgroupSize = subgroup_size;
        VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
        info.flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
        info.stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO};
        info.stage.pNext = subgroup_size ? &required : nullptr;
        info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
        info.stage.module = shader;
        info.stage.pName = m.entry.c_str();
        info.stage.pSpecializationInfo = &special;
        info.layout = layout;
        VkPipeline pipeline;
        check(vkCreateComputePipelines(handle, VK_NULL_HANDLE, 1, &info, nullptr, &pipeline),
              "vkCreateComputePipelines");
        return pipeline;
    }
};

// ---- statistics ------------------------------------------------------------------------------------------

static string text_of(const VkPipelineExecutableStatisticKHR& s)
{
    char text[32];
    switch (s.format) {
        case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
            return s.value.b32 ? "1" : "0";
        case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
            return std::to_string(s.value.i64);
        case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
            return std::to_string(s.value.u64);
        default:
            snprintf(text, sizeof text, "%g", s.value.f64);
            return text;
    }
}

// SHADER.spv:VALUE,… with the constants of the command line.
static Module read_shader(const string& shader, std::map<uint32_t, string> spec)
{
    const size_t colon = shader.rfind(".spv:");
    if (colon == string::npos) return {shader, spec};
    std::stringstream values(shader.substr(colon + 5));
    uint32_t count = 0;
    for (string value; std::getline(values, value, ',');) spec[count++] = value;
    Module module(shader.substr(0, colon + 4), spec);
    if (module.constant_count() != count)
        throw Refused(std::to_string(count) + " values for " + std::to_string(module.constant_count()) + " constants");
    return module;
}

static void print_rows(const Device& device, VkPipeline pipeline, const char* path)
{
    VkPipelineInfoKHR info{VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR};
    info.pipeline = pipeline;
    uint32_t count = 0;
    check(vkGetPipelineExecutablePropertiesKHR(device.handle, &info, &count, nullptr), "statistics");
    std::vector<VkPipelineExecutablePropertiesKHR> parts(count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR});
    check(vkGetPipelineExecutablePropertiesKHR(device.handle, &info, &count, parts.data()), "statistics");
    for (uint32_t i = 0; i < parts.size(); i++) {
        VkPipelineExecutableInfoKHR part{VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR};
        part.pipeline = pipeline;
        part.executableIndex = i;
        check(vkGetPipelineExecutableStatisticsKHR(device.handle, &part, &count, nullptr), "statistics");
        std::vector<VkPipelineExecutableStatisticKHR> all(count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR});
        check(vkGetPipelineExecutableStatisticsKHR(device.handle, &part, &count, all.data()), "statistics");
        auto first = [&](std::initializer_list<const char*> names) -> string { // each driver has its own word for it
            for (auto name : names)
                for (auto& s : all)
                    if (!strcasecmp(s.name, name)) return text_of(s);
            return "-";
        };
        string spills = first({"Spill Count", "STP Count", "Spills"});
        if (auto vector = first({"Spilled VGPRs"}); vector != "-")
            spills = std::to_string(atoi(vector.c_str()) + atoi(first({"Spilled SGPRs"}).c_str()));
        string code = first({"Code size"}), json;
        if (device.properties.vendorID == 0x5143 && code != "-")
            code = std::to_string(atoi(code.c_str()) * 4); // Turnip counts words
        for (auto& s : all) json += string(json.empty() ? "" : ", ") + "\"" + s.name + "\": " + text_of(s);
        printf("row\t%s\t%u\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t{%s}\n", path, parts[i].subgroupSize,
               first({"VGPRs", "Registers used"}).c_str(), spills.c_str(),
               first({"Scratch size", "Scratch Memory Size", "Spill Size"}).c_str(),
               first({"Subgroups per SIMD", "Max Waves Per Core", "Threads", "Thread Count"}).c_str(),
               first({"Instructions", "Instruction Count"}).c_str(), code.c_str(),
               first({"Inverse Throughput", "Cycle Count", "Cycles"}).c_str(), json.c_str());
    }
}

int main(int argc, char** argv)
{
    std::map<uint32_t, string> spec;
    std::vector<const char*> paths;
    uint32_t subgroup_size = 0;
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (more && !strcmp(argv[i], "--subgroup"))
            subgroup_size = uint32_t(atoi(argv[++i]));
        else if (more && !strcmp(argv[i], "--spec")) {
            const string text = argv[++i];
            const size_t equals = text.find('=');
            if (equals == string::npos) return fprintf(stderr, "--spec wants ID=VALUE\n"), 2;
            spec[uint32_t(atoi(text.c_str()))] = text.substr(equals + 1);
        } else
            paths.push_back(argv[i]);
    }
    setvbuf(stdout, nullptr, _IOLBF, 0); // a driver may crash on the next shader; what is known must be out by then
    try {
        const Device device;
        printf("device\t%s, %s\n", device.properties.deviceName, device.driver.driverInfo);
        for (auto path : paths) {
            printf("begin\t%s\n", path);
            try {
                print_rows(device, device.compile(read_shader(path, spec), subgroup_size), path);
            } catch (const std::exception& e) {
                printf("refused\t%s\t%s\n", path, e.what());
            }
        }
    } catch (const std::exception& e) {
        printf("nodevice\t%s\n", e.what());
        fflush(stdout);
        _exit(3);
    }
    fflush(stdout);
    _exit(0); // no teardown: with no GPU behind it, V3DV crashes there
}
