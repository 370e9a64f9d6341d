package clients

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

var plain = grpc.WithTransportCredentials(insecure.NewCredentials())

func connect(t *testing.T, address string, options ...grpc.DialOption) flight.Client {
	t.Helper()
	client, err := flight.NewClientWithMiddleware(address, nil, nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Wind speeds at three places, one of them unknown.
func weather() arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "origin", Type: arrow.BinaryTypes.String},
		{Name: "wind", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	builder.Field(0).(*array.StringBuilder).AppendValues([]string{"EWR", "JFK", "LGA"}, nil)
	builder.Field(1).(*array.Float64Builder).AppendValues([]float64{9.5, 0, 11.25}, []bool{true, false, true})
	return builder.NewRecordBatch()
}

// What a server says of a put.
type published struct {
	Version uint64 `json:"version"`
	Commit  string `json:"commit"`
	Rows    uint64 `json:"rows"`
}

func put(ctx context.Context, client flight.Client, command map[string]any, rows arrow.RecordBatch) (published, error) {
	var result published
	text, err := json.Marshal(command)
	if err != nil {
		return result, err
	}
	stream, err := client.DoPut(ctx)
	if err != nil {
		return result, err
	}
	writer := flight.NewRecordWriter(stream, ipc.WithSchema(rows.Schema()))
	writer.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: text})
	// What the server has refused it says when it is listened to.
	written := errors.Join(writer.Write(rows), writer.Close(), stream.CloseSend())
	answer, err := stream.Recv()
	if err != nil {
		return result, err
	}
	if written != nil {
		return result, written
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return result, err
	}
	return result, json.Unmarshal(answer.AppMetadata, &result)
}

func get(ctx context.Context, client flight.Client, ticket map[string]any) ([]arrow.RecordBatch, error) {
	text, err := json.Marshal(ticket)
	if err != nil {
		return nil, err
	}
	stream, err := client.DoGet(ctx, &flight.Ticket{Ticket: text})
	if err != nil {
		return nil, err
	}
	return read(flight.NewRecordReader(stream))
}

func read(reader *flight.Reader, err error) ([]arrow.RecordBatch, error) {
	if err != nil {
		return nil, err
	}
	defer reader.Release()
	var batches []arrow.RecordBatch
	for reader.Next() {
		batch := reader.RecordBatch()
		batch.Retain()
		batches = append(batches, batch)
	}
	return batches, reader.Err()
}

// The only batch of an answer, which must be these rows.
func expect(t *testing.T, batches []arrow.RecordBatch, err error, rows arrow.RecordBatch) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(batches) != 1 || !array.RecordEqual(batches[0], rows) {
		t.Fatalf("got %v, expected %v", batches, rows)
	}
}

func TestRowsThatWerePutAreGotListedAndAsked(t *testing.T) {
	address := start(t, "grpc")
	client, ctx := connect(t, address, plain), patience(t)
	rows := weather()
	result, err := put(ctx, client, map[string]any{"name": "weather", "bucket": "nyc"}, rows)
	if err != nil || result.Version != 1 || result.Rows != 3 || len(result.Commit) != 64 {
		t.Fatal(result, err)
	}
	got, err := get(ctx, client, map[string]any{"name": "weather", "bucket": "nyc"})
	expect(t, got, err, rows)

	listing, err := client.ListFlights(ctx, &flight.Criteria{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := listing.Recv()
	if err != nil || !slices.Equal(info.FlightDescriptor.Path, []string{"weather", "nyc"}) || info.TotalRecords != 3 {
		t.Fatal(info, err)
	}
	schema, err := flight.DeserializeSchema(info.Schema, memory.DefaultAllocator)
	if err != nil || !schema.Equal(rows.Schema()) {
		t.Fatal(schema, err)
	}
	if _, err := listing.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}

	sql := "select origin from weather where wind > 10"
	asked, err := get(ctx, client, map[string]any{"name": "weather", "bucket": "nyc", "sql": sql})
	if err != nil || len(asked) != 1 || asked[0].Column(0).ValueStr(0) != "LGA" || asked[0].NumRows() != 1 {
		t.Fatal(asked, err)
	}

	action, err := client.DoAction(ctx, &flight.Action{Type: "buckets"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := action.Recv()
	if err != nil || string(answer.Body) != `["nyc"]` {
		t.Fatal(answer, err)
	}
}

// What the details of every error say.
type problem struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

func TestWhatIsMissingOrWrongHasATypedCode(t *testing.T) {
	address := start(t, "grpc", "--read-only=false")
	client, ctx := connect(t, address, plain), patience(t)
	rows := weather()
	if _, err := put(ctx, client, map[string]any{"name": "weather"}, rows); err != nil {
		t.Fatal(err)
	}
	getting := func(ticket map[string]any) error {
		_, err := get(ctx, client, ticket)
		return err
	}
	putting := func(command map[string]any) error {
		_, err := put(ctx, client, command, rows)
		return err
	}
	acting := func(name string, body string) error {
		stream, err := client.DoAction(ctx, &flight.Action{Type: name, Body: []byte(body)})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	for name, refused := range map[string]struct {
		err  error
		code codes.Code
	}{
		"a missing frame":      {getting(map[string]any{"name": "nobody"}), codes.NotFound},
		"an unknown field":     {getting(map[string]any{"name": "weather", "colour": "red"}), codes.InvalidArgument},
		"a wrong type":         {getting(map[string]any{"name": 7}), codes.InvalidArgument},
		"bad SQL":              {getting(map[string]any{"name": "weather", "sql": "select from"}), codes.InvalidArgument},
		"a frame that exists":  {putting(map[string]any{"name": "weather"}), codes.AlreadyExists},
		"an unknown mode":      {putting(map[string]any{"name": "weather", "mode": "x"}), codes.InvalidArgument},
		"an unknown action":    {acting("fly", "{}"), codes.InvalidArgument},
		"a missing remote":     {acting("pull", `{"remote":"nowhere"}`), codes.NotFound},
		"a bucket that is not": {acting("delete_bucket", `{"name":"nobody"}`), codes.NotFound},
	} {
		if code := status.Code(refused.err); code != refused.code {
			t.Errorf("%s: %v, expected %v: %v", name, code, refused.code, refused.err)
		}
		if message := status.Convert(refused.err).Message(); message == "" {
			t.Errorf("%s: no message", name)
		}
	}
	got, err := get(ctx, client, map[string]any{"name": "weather"})
	expect(t, got, err, rows)
}
