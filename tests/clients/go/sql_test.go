package clients

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestFlightSqlAnswersStatementsAndTellsTables(t *testing.T) {
	address := start(t, "grpc")
	ctx := patience(t)
	if _, err := put(ctx, connect(t, address, plain), map[string]any{"name": "weather"}, weather()); err != nil {
		t.Fatal(err)
	}
	client, err := flightsql.NewClient(address, nil, nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	// All rows of what a call leads to.
	rows := func(info *flight.FlightInfo, err error) []arrow.RecordBatch {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var batches []arrow.RecordBatch
		for _, endpoint := range info.Endpoint {
			more, err := read(client.DoGet(ctx, endpoint.Ticket))
			if err != nil {
				t.Fatal(err)
			}
			batches = append(batches, more...)
		}
		return batches
	}
	found := rows(client.Execute(ctx, "select wind from weather where origin = 'EWR'"))
	if len(found) != 1 || found[0].Column(0).(*array.Float64).Value(0) != 9.5 {
		t.Fatal(found)
	}
	tables := rows(client.GetTables(ctx, &flightsql.GetTablesOpts{}))
	if len(tables) != 1 || tables[0].NumRows() != 1 || tables[0].Column(2).ValueStr(0) != "weather" {
		t.Fatal(tables)
	}

	prepared, err := client.Prepare(ctx, "select origin from weather where wind > ?")
	if err != nil {
		t.Fatal(err)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "1", Type: arrow.PrimitiveTypes.Float64}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	builder.Field(0).(*array.Float64Builder).Append(10)
	prepared.SetParameters(builder.NewRecordBatch())
	windy := rows(prepared.Execute(ctx))
	if len(windy) != 1 || windy[0].NumRows() != 1 || windy[0].Column(0).ValueStr(0) != "LGA" {
		t.Fatal(windy)
	}
	if err := prepared.Close(ctx); err != nil {
		t.Fatal(err)
	}

	_, err = client.Execute(ctx, "select from")
	if status.Code(err) != codes.InvalidArgument {
		t.Fatal(err)
	}
	_, err = client.Execute(ctx, "select * from nobody")
	if status.Code(err) == codes.OK {
		t.Fatal("a table that does not exist was found")
	}
}
