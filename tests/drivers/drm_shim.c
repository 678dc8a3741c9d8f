// An LD_PRELOAD library that answers for a GPU kernel driver which is not there, just well enough for a Mesa
// Vulkan driver to list a device and compile pipelines for it. Submitted work is accepted and never done.
//
//   SHIM=msm       GPU_ID=660 CHIP_ID=0x06060001                        Adreno, Turnip
//   SHIM=panthor   SHIM_MINOR=5 GPU_ID=0xa8670000                       Mali with command streams, PanVK
//   SHIM=panfrost  SHIM_MINOR=4 GPU_ID=0x7212                           Mali with job manager, PanVK
//   SHIM=v3d       V3D=71 SHIM_COMPAT=brcm,2712-v3d                     Raspberry Pi, V3DV
//   SHIM=i915      PCI_ID=0x46d1 SUBSLICES=2 EUS=32                     Intel, ANV
//   SHIM_TRACE=1   prints every request
//
// Only the chip id decides the code the compiler makes. Memory sizes, clocks and core counts are plausible
// constants, so limits derived from them are not the device's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <drm/drm.h>
#include <drm/i915_drm.h>
#include <drm/msm_drm.h>
#include <drm/panfrost_drm.h>
#include <drm/panthor_drm.h>
#include <drm/v3d_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xf86drm.h>

static const char* setting(const char* name, const char* otherwise)
{
    const char* text = getenv(name);
    return text ? text : otherwise;
}

static uint64_t number(const char* name, uint64_t otherwise)
{
    const char* text = getenv(name);
    return text ? strtoull(text, 0, 0) : otherwise;
}

static int shim_is(const char* kind)
{
    return !strcmp(setting("SHIM", "msm"), kind);
}

// ---- buffers: ranges of one sparse memory file per open node ------------------------------------------------

enum { kBuffers = 1 << 16 };
static const uint64_t kFileSize = 1ull << 36;
static uint32_t next_handle = 1;
static uint64_t next_offset = 0x10000, offset_of[kBuffers];

static uint32_t new_buffer(uint64_t size)
{
    const uint32_t handle = next_handle++;
    offset_of[handle % kBuffers] = next_offset;
    next_offset += (size + 0xffff) & ~0xffffull;
    return handle;
}

static uint64_t offset(uint32_t handle)
{
    return offset_of[handle % kBuffers];
}

void* mmap64(void* at, size_t size, int protection, int flags, int fd, off64_t from)
{
    if (fd >= 0 && (uint64_t)from >= kFileSize) fd = -1, flags |= MAP_ANONYMOUS, from = 0;
    return (void*)syscall(SYS_mmap, at, size, protection, flags, fd, from);
}

// ---- the device node ----------------------------------------------------------------------------------------

static int is_node(const char* path)
{
    return path && !strncmp(path, "/dev/dri/", 9);
}

static int open_node(void)
{
    const int fd = memfd_create("shim", 0);
    return fd >= 0 && ftruncate(fd, kFileSize) ? -1 : fd;
}

#define OPEN(name, extra)                                                                                              \
    int name(const char* path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        const int mode = va_arg(rest, int);                                                                            \
        va_end(rest);                                                                                                  \
        if (is_node(path)) return open_node();                                                                         \
        return syscall(SYS_openat, AT_FDCWD, path, flags | extra, mode);                                               \
    }
OPEN(open, 0)
OPEN(open64, O_LARGEFILE)

#define STAT(name)                                                                                                     \
    int name(const char* path, struct name* s)                                                                         \
    {                                                                                                                  \
        if (!is_node(path)) return ((int (*)(const char*, struct name*))dlsym(RTLD_NEXT, #name))(path, s);             \
        memset(s, 0, sizeof *s);                                                                                       \
        s->st_mode = S_IFCHR | 0666;                                                                                   \
        s->st_rdev = makedev(226, 128);                                                                                \
        return 0;                                                                                                      \
    }
STAT(stat)
STAT(stat64)

static drmDevicePtr new_device(void)
{
    drmDevicePtr d = calloc(1, sizeof *d);
    d->nodes = calloc(DRM_NODE_MAX, sizeof *d->nodes);
    for (int i = 0; i < DRM_NODE_MAX; i++) d->nodes[i] = calloc(1, 32);
    strcpy(d->nodes[DRM_NODE_PRIMARY], "/dev/dri/card0");
    strcpy(d->nodes[DRM_NODE_RENDER], "/dev/dri/renderD128");
    d->available_nodes = 1 << DRM_NODE_PRIMARY | 1 << DRM_NODE_RENDER;
    if (shim_is("i915")) {
        d->bustype = DRM_BUS_PCI;
        d->businfo.pci = calloc(1, sizeof *d->businfo.pci);
        d->businfo.pci->dev = 2;
        d->deviceinfo.pci = calloc(1, sizeof *d->deviceinfo.pci);
        d->deviceinfo.pci->vendor_id = 0x8086;
        d->deviceinfo.pci->device_id = number("PCI_ID", 0x46d1);
    } else {
        d->bustype = DRM_BUS_PLATFORM;
        d->businfo.platform = calloc(1, sizeof *d->businfo.platform);
        strcpy(d->businfo.platform->fullname, "/soc/gpu");
        d->deviceinfo.platform = calloc(1, sizeof *d->deviceinfo.platform);
        d->deviceinfo.platform->compatible = calloc(2, sizeof(char*));
        d->deviceinfo.platform->compatible[0] = strdup(setting("SHIM_COMPAT", "shim"));
    }
    return d;
}

int drmGetDevices2(uint32_t flags, drmDevicePtr devices[], int most)
{
    (void)flags;
    if (devices && most > 0) devices[0] = new_device();
    return 1;
}

int drmGetDevice2(int fd, uint32_t flags, drmDevicePtr* device)
{
    (void)fd, (void)flags;
    *device = new_device();
    return 0;
}

// The driver frees a device by its own libdrm's rules, which want one block; leaking it is simpler.
void drmFreeDevice(drmDevicePtr* device)
{
    *device = 0;
}
void drmFreeDevices(drmDevicePtr devices[], int count)
{
    (void)devices, (void)count;
}

drmVersionPtr drmGetVersion(int fd)
{
    (void)fd;
    drmVersionPtr v = calloc(1, sizeof *v);
    v->version_major = number("SHIM_MAJOR", 1);
    v->version_minor = number("SHIM_MINOR", 12);
    v->name = strdup(setting("SHIM", "msm")), v->name_len = strlen(v->name);
    v->date = strdup("0"), v->date_len = 1;
    v->desc = strdup("shim"), v->desc_len = 4;
    return v;
}

// ---- the kernel drivers. A request that is not named here succeeds and changes nothing -------------------

#define ARGUMENT(type) struct type* q = argument

static void msm(unsigned request, void* argument)
{
    switch (request) {
        case DRM_MSM_GET_PARAM: {
            ARGUMENT(drm_msm_param);
            switch (q->param) {
                case 0x01:
                    q->value = number("GPU_ID", 660);
                    break;
                case 0x02:
                    q->value = number("GMEM", 1536 * 1024);
                    break;
                case 0x03:
                    q->value = number("CHIP_ID", 0x06060001);
                    break;
                case 0x04:
                    q->value = 1000000000;
                    break; // highest clock
                case 0x06:
                    q->value = 0x100000;
                    break; // base of the tile memory
                case 0x07:
                    q->value = 1;
                    break; // priorities
                case 0x0e:
                    q->value = 0x100000000ull;
                    break; // start and
                case 0x0f:
                    q->value = 0x800000000ull;
                    break; // size of the address space
                case 0x10:
                    q->value = 15;
                    break; // highest bank bit
                case 0x12:
                    q->value = 6;
                    break; // UBWC swizzle
                case 0x13:
                    q->value = 1;
                    break; // macrotile mode
                case 0x14:
                    q->value = 0x1fffffffff000ull;
                    break; // UCHE trap base
                default:
                    q->value = 0;
            }
            return;
        }
        case DRM_MSM_GEM_NEW: {
            ARGUMENT(drm_msm_gem_new);
            q->handle = new_buffer(q->size);
            return;
        }
        case DRM_MSM_GEM_INFO: {
            ARGUMENT(drm_msm_gem_info);
            if (q->info == MSM_INFO_GET_OFFSET) q->value = offset(q->handle);
            if (q->info == MSM_INFO_GET_IOVA) q->value = 0x100000000ull + offset(q->handle);
            return;
        }
        case DRM_MSM_SUBMITQUEUE_NEW: {
            ARGUMENT(drm_msm_submitqueue);
            q->id = 1;
            return;
        }
    }
}

static void panthor_query(struct drm_panthor_dev_query* q)
{
    char answer[512] = {0};
    uint32_t size = q->size;
    if (q->type == DRM_PANTHOR_DEV_QUERY_GPU_INFO) {
        struct drm_panthor_gpu_info* g = (void*)answer;
        size = sizeof *g;
        g->gpu_id = number("GPU_ID", 0xa8670000);
        g->csf_id = 0x40010000;
        g->l2_features = 0x07120306;
        g->tiler_features = 0x809;
        g->mem_features = 0x301;
        g->mmu_features = 0x2830;
        g->thread_features = 0x4010000;
        g->max_threads = number("MAX_THREADS", 2048);
        g->thread_max_workgroup_size = 1024;
        g->thread_max_barrier_size = 1024;
        g->texture_features[0] = 0xc1ffff9e;
        g->as_present = 0xff;
        g->shader_present = 0x50005;
        g->l2_present = 1;
        g->tiler_present = 1;
    } else if (q->type == DRM_PANTHOR_DEV_QUERY_CSIF_INFO) {
        struct drm_panthor_csif_info* c = (void*)answer;
        size = sizeof *c;
        c->csg_slot_count = 8;
        c->cs_slot_count = 8;
        c->cs_reg_count = 96;
        c->scoreboard_slot_count = 8;
        c->unpreserved_cs_reg_count = 4;
    } else if (q->type == 2) { // timestamps
        size = 24;
        ((uint64_t*)answer)[0] = 24000000;
    } else if (q->type == 3) { // allowed priorities
        size = 4;
        answer[0] = 7;
    }
    if (q->pointer) {
        if (q->size < size) size = q->size;
        memcpy((void*)(uintptr_t)q->pointer, answer, size < sizeof answer ? size : sizeof answer);
    }
    q->size = size;
}

static void panthor(unsigned request, void* argument)
{
    switch (request) {
        case DRM_PANTHOR_DEV_QUERY:
            panthor_query(argument);
            return;
        case DRM_PANTHOR_VM_CREATE: {
            ARGUMENT(drm_panthor_vm_create);
            q->id = 1;
            if (!q->user_va_range) q->user_va_range = 1ull << 47;
            return;
        }
        case DRM_PANTHOR_BO_CREATE: {
            ARGUMENT(drm_panthor_bo_create);
            q->handle = new_buffer(q->size);
            return;
        }
        case DRM_PANTHOR_BO_MMAP_OFFSET: {
            ARGUMENT(drm_panthor_bo_mmap_offset);
            q->offset = offset(q->handle);
            return;
        }
        case DRM_PANTHOR_GROUP_CREATE: {
            ARGUMENT(drm_panthor_group_create);
            q->group_handle = 1;
            return;
        }
        case DRM_PANTHOR_TILER_HEAP_CREATE: {
            ARGUMENT(drm_panthor_tiler_heap_create);
            q->handle = 1;
            q->tiler_heap_ctx_gpu_va = 0x10000000;
            q->first_heap_chunk_gpu_va = 0x11000000;
            return;
        }
    }
}

static void panfrost(unsigned request, void* argument)
{
    switch (request) {
        case DRM_PANFROST_GET_PARAM: {
            ARGUMENT(drm_panfrost_get_param);
            switch (q->param) {
                case 0:
                    q->value = number("GPU_ID", 0x7212);
                    break;
                case 2:
                    q->value = 0xf;
                    break; // shader cores
                case 3:
                case 4:
                    q->value = 1;
                    break; // tilers, second-level caches
                case 6:
                    q->value = 0xff;
                    break; // address spaces
                case 7:
                    q->value = 7;
                    break;
                case 8:
                    q->value = 0x07110206;
                    break; // second-level cache features
                case 10:
                    q->value = 0x809;
                    break; // tiler features
                case 12:
                    q->value = 0x2830;
                    break; // MMU features
                case 13:
                    q->value = 0x4010000;
                    break; // thread features
                case 14:
                case 15:
                case 16:
                    q->value = 0x180;
                    break; // threads, work-group and barrier size
                case 18:
                    q->value = 0xc1ffff9e;
                    break; // texture features
                case 38:
                    q->value = 1;
                    break;
                default:
                    q->value = q->param > 38 ? 6 : 0;
            }
            return;
        }
        case DRM_PANFROST_CREATE_BO: {
            ARGUMENT(drm_panfrost_create_bo);
            q->handle = new_buffer(q->size);
            q->offset = 0x10000000 + offset(q->handle);
            return;
        }
        case DRM_PANFROST_MMAP_BO: {
            ARGUMENT(drm_panfrost_mmap_bo);
            q->offset = offset(q->handle);
            return;
        }
        case DRM_PANFROST_MADVISE: {
            ARGUMENT(drm_panfrost_madvise);
            q->retained = 1;
            return;
        }
    }
}

static void v3d(unsigned request, void* argument)
{
    static const uint32_t identity[2][7] = {
        {0x45, 0xe1124, 0x100, 0xe00, 0x04443356, 0x81001422, 0x40078121},
        {0x45, 0x71e1117, 0x8000100, 0x20000e00, 0x07443356, 0x81001421, 0x40078121}};
    switch (request) {
        case DRM_V3D_GET_PARAM: {
            ARGUMENT(drm_v3d_get_param);
            q->value = q->param < 7 ? identity[number("V3D", 71) >= 71][q->param] : 1;
            return;
        }
        case DRM_V3D_CREATE_BO: {
            ARGUMENT(drm_v3d_create_bo);
            q->handle = new_buffer(q->size);
            q->offset = 0x100000 + offset(q->handle);
            return;
        }
        case DRM_V3D_MMAP_BO: {
            ARGUMENT(drm_v3d_mmap_bo);
            q->offset = offset(q->handle);
            return;
        }
        case DRM_V3D_GET_BO_OFFSET: {
            ARGUMENT(drm_v3d_get_bo_offset);
            q->offset = 0x100000 + offset(q->handle);
            return;
        }
    }
}

static void i915_query(struct drm_i915_query* q)
{
    struct drm_i915_query_item* items = (void*)(uintptr_t)q->items_ptr;
    const int subslices = number("SUBSLICES", 2);
    for (unsigned i = 0; i < q->num_items; i++) {
        char answer[512] = {0};
        int size = -EINVAL;
        if (items[i].query_id == DRM_I915_QUERY_TOPOLOGY_INFO || items[i].query_id == 6) {
            struct drm_i915_query_topology_info* t = (void*)answer;
            t->max_slices = 1;
            t->max_subslices = subslices;
            t->max_eus_per_subslice = 16;
            t->subslice_offset = t->subslice_stride = 1;
            t->eu_offset = t->eu_stride = 2;
            t->data[0] = 1;
            t->data[1] = (1 << subslices) - 1;
            memset(t->data + 2, 0xff, 2 * subslices);
            size = sizeof *t + 2 + 2 * subslices;
        } else if (items[i].query_id == DRM_I915_QUERY_ENGINE_INFO) {
            struct drm_i915_query_engine_info* e = (void*)answer;
            e->num_engines = 2;
            e->engines[1].engine.engine_class = 1;
            size = sizeof *e + 2 * sizeof(struct drm_i915_engine_info);
        } else if (items[i].query_id == DRM_I915_QUERY_MEMORY_REGIONS) {
            struct drm_i915_query_memory_regions* m = (void*)answer;
            m->num_regions = 1;
            m->regions[0].probed_size = m->regions[0].unallocated_size = 16ull << 30;
            size = sizeof *m + sizeof(struct drm_i915_memory_region_info);
        }
        if (size > 0 && items[i].length > 0 && items[i].data_ptr)
            memcpy((void*)(uintptr_t)items[i].data_ptr, answer, size < items[i].length ? size : items[i].length);
        items[i].length = size;
    }
}

static void i915(unsigned request, void* argument)
{
    switch (request) {
        case DRM_I915_GETPARAM: {
            ARGUMENT(drm_i915_getparam);
            switch (q->param) {
                case I915_PARAM_CHIPSET_ID:
                    *q->value = number("PCI_ID", 0x46d1);
                    break;
                case I915_PARAM_REVISION:
                    *q->value = 0;
                    break;
                case I915_PARAM_EU_TOTAL:
                    *q->value = number("EUS", 32);
                    break;
                case I915_PARAM_SUBSLICE_TOTAL:
                    *q->value = number("SUBSLICES", 2);
                    break;
                case I915_PARAM_SUBSLICE_MASK:
                    *q->value = (1 << number("SUBSLICES", 2)) - 1;
                    break;
                case I915_PARAM_CS_TIMESTAMP_FREQUENCY:
                    *q->value = 19200000;
                    break;
                case I915_PARAM_CMD_PARSER_VERSION:
                    *q->value = 10;
                    break;
                case I915_PARAM_MMAP_GTT_VERSION:
                    *q->value = 4;
                    break;
                case I915_PARAM_HAS_CONTEXT_ISOLATION:
                    *q->value = 0xf;
                    break;
                case I915_PARAM_HAS_SCHEDULER:
                    *q->value = 7;
                    break;
                case I915_PARAM_NUM_FENCES_AVAIL:
                    *q->value = 32;
                    break;
                case I915_PARAM_HAS_BSD2:
                    *q->value = 0;
                    break;
                default:
                    *q->value = 1;
            }
            return;
        }
        case DRM_I915_GEM_CREATE: {
            ARGUMENT(drm_i915_gem_create);
            q->handle = new_buffer(q->size);
            return;
        }
        case DRM_I915_GEM_CREATE_EXT: {
            ARGUMENT(drm_i915_gem_create_ext);
            q->handle = new_buffer(q->size);
            return;
        }
        case DRM_I915_GEM_MMAP_GTT: {
            ARGUMENT(drm_i915_gem_mmap_offset);
            q->offset = offset(q->handle);
            return;
        }
        case DRM_I915_GEM_USERPTR: {
            ARGUMENT(drm_i915_gem_userptr);
            q->handle = new_buffer(4096);
            return;
        }
        case DRM_I915_GEM_GET_APERTURE: {
            ARGUMENT(drm_i915_gem_get_aperture);
            q->aper_size = q->aper_available_size = 1ull << 32;
            return;
        }
        case DRM_I915_GEM_CONTEXT_CREATE: {
            ARGUMENT(drm_i915_gem_context_create);
            q->ctx_id = 1;
            return;
        }
        case DRM_I915_GEM_CONTEXT_GETPARAM: {
            ARGUMENT(drm_i915_gem_context_param);
            q->value = q->param == I915_CONTEXT_PARAM_GTT_SIZE ? 1ull << 47 : 1;
            return;
        }
        case DRM_I915_GEM_VM_CREATE: {
            ARGUMENT(drm_i915_gem_vm_control);
            q->vm_id = 1;
            return;
        }
        case DRM_I915_QUERY:
            i915_query(argument);
            return;
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void* argument = va_arg(rest, void*);
    va_end(rest);
    if (_IOC_TYPE(request) != 'd') return syscall(SYS_ioctl, fd, request, argument); // every DRM request has type 'd'
    const unsigned number_of = _IOC_NR(request), driver_request = number_of - DRM_COMMAND_BASE;
    if (getenv("SHIM_TRACE")) fprintf(stderr, "[shim] request 0x%x\n", number_of);
    if (number_of == _IOC_NR(DRM_IOCTL_GET_CAP)) ((struct drm_get_cap*)argument)->value = 1;
    if (number_of == _IOC_NR(DRM_IOCTL_SYNCOBJ_CREATE)) ((struct drm_syncobj_create*)argument)->handle = next_handle++;
    if (number_of < DRM_COMMAND_BASE || number_of >= DRM_COMMAND_END) return 0;
    if (shim_is("msm")) msm(driver_request, argument);
    if (shim_is("panthor")) panthor(driver_request, argument);
    if (shim_is("panfrost")) panfrost(driver_request, argument);
    if (shim_is("v3d")) v3d(driver_request, argument);
    if (shim_is("i915")) i915(driver_request, argument);
    return 0;
}
